//! What the kernel knows of a process: its share of memory, and how often it woke up.

use std::fs;

/// Proportional set size in MB. The supervisor forbids dumps, so that this needs root; others get the resident set,
/// which is never smaller.
pub fn memory_mb(pid: i32) -> f64 {
    let share = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let kibibytes = match share {
        Ok(text) => field(&text, "Pss:"),
        Err(_) => field(&fs::read_to_string(format!("/proc/{pid}/status")).expect("a process"), "VmRSS:"),
    };
    kibibytes.expect("a size") as f64 * 1024.0 / 1e6
}

/// Time on a processor, of all threads, in user and kernel mode (proc(5): ticks of 10 ms).
pub fn processor_ms(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    // The name before it may hold anything, brackets too; then come state and ten fields more.
    let fields = stat.rsplit_once(") ").expect("a state").1.split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().expect("ticks") * 10.0).sum()
}

/// Voluntary context switches of all threads: each is one that had gone to sleep before.
pub fn wake_ups(pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
        .filter_map(|status| field(&status, "voluntary_ctxt_switches:"))
        .sum()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
