//! The kernel's figures of a process: memory, processor time and wake-ups.

use std::fs;

/// Returns the proportional set size in MB. The supervisor is not dumpable, so this needs root; other users get the
/// resident set size, which is never smaller.
pub fn memory_mb(pid: i32) -> f64 {
    let share = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let kibibytes = match share {
        Ok(text) => field(&text, "Pss:"),
        Err(_) => field(&fs::read_to_string(format!("/proc/{pid}/status")).expect("a process"), "VmRSS:"),
    };
    kibibytes.expect("a size") as f64 * 1024.0 / 1e6
}

/// Returns the processor time of all threads, in user and kernel mode (proc(5): ticks of 10 ms).
pub fn processor_ms(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    // The name may contain any character, including brackets; after it come the state and ten more fields.
    let fields = stat.rsplit_once(") ").expect("a state").1.split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().expect("ticks") * 10.0).sum()
}

/// Returns the voluntary context switches of all threads: each follows a sleep.
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
