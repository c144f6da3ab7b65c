//! The kernel's figures of a process: memory, processor time and wake-ups.

use std::fs;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

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

/// Returns the processor time of all threads, also of those that have ended, in user and kernel mode: the process's own
/// clock (clock_getcpuclockid(3)). /proc counts in ticks of 10 ms.
pub fn processor_ms(pid: i32) -> f64 {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).expect("a process");
    Duration::from(clock.now().expect("its time")).as_secs_f64() * 1e3
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
