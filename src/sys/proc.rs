//! Information on processes from /proc.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::pidfd::PidFd;

/// The resident memory of a process group in bytes. Every child leads its own group, so this includes the processes
/// that it forked. Shared pages count once for each process.
pub fn resident_bytes_of_group(group: i32) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let pages: u64 = processes
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| resident_pages(&stat, group))
        .sum();
    pages * page_size()
}

/// Reads fields 5 (pgrp) and 24 (rss) of /proc/PID/stat; field 2 may contain spaces and brackets (proc(5)).
fn resident_pages(stat: &str, group: i32) -> Option<u64> {
    fields_of_group(stat, group)?.get(21)?.parse().ok()
}

/// The fields from the third on; None if the fifth is another group.
fn fields_of_group(stat: &str, group: i32) -> Option<Vec<&str>> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    (fields.get(2)?.parse() == Ok(group)).then_some(fields)
}

/// The CPU time of a process group, including children that it has waited for.
pub fn cpu_of_group(group: i32) -> Duration {
    let Ok(processes) = fs::read_dir("/proc") else { return Duration::ZERO };
    let ticks: u64 = processes
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| cpu_ticks(&stat, group))
        .sum();
    Duration::from_millis(ticks * 1_000 / ticks_per_second())
}

/// The sum of fields 14 to 17 of /proc/PID/stat: utime, stime, cutime, cstime.
fn cpu_ticks(stat: &str, group: i32) -> Option<u64> {
    fields_of_group(stat, group)?.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// True if the process exists and has a handler for this signal (`SigCgt` of /proc/PID/status).
pub fn catches(pid: i32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (signal as i32 - 1)) != 0)
}

/// The direct children of all threads of a process, since any thread may have forked.
pub fn children_of(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|children| {
            children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
        })
        .collect()
}

/// The processes whose working folder is in `folder`, which is canonical. Each descriptor is opened first, so that the
/// check and a signal concern one process.
pub fn working_in(folder: &Path) -> Vec<(i32, PidFd)> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let process = PidFd::open(pid).ok()?;
        let working_folder = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        working_folder.starts_with(folder).then_some((pid, process))
    })
    .collect()
}

/// The time since a process was started (field 22 of its stat, in ticks since boot).
pub fn age(pid: i32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let started: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let uptime = uptime_s()?;
    Duration::try_from_secs_f64((uptime - started / ticks_per_second() as f64).max(0.0)).ok()
}

fn ticks_per_second() -> u64 {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten();
    ticks.and_then(|ticks| u64::try_from(ticks).ok()).filter(|ticks| *ticks > 0).unwrap_or(100)
}

/// The seconds since boot (CLOCK_BOOTTIME), with a resolution of 10 ms.
pub fn uptime_s() -> Option<f64> {
    fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()
}

fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_group_has_memory_and_a_missing_one_has_none() {
        assert!(resident_bytes_of_group(nix::unistd::getpgrp().as_raw()) > 100_000);
        assert_eq!(resident_bytes_of_group(i32::MAX), 0);
    }

    #[test]
    fn handlers_and_the_age_of_a_process_are_read() {
        let own = nix::unistd::getpid().as_raw();
        assert!(catches(own, Signal::SIGSEGV), "Rust's handler for stack overflows");
        assert!(!catches(own, Signal::SIGUSR2) && !catches(i32::MAX, Signal::SIGTERM));
        assert!(age(own).is_some_and(|age| age < Duration::from_secs(3600)));
        assert!(age(i32::MAX).is_none() && children_of(i32::MAX).is_empty());
    }

    #[test]
    fn a_process_name_may_contain_brackets() {
        let stat = "7 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 3 4 5 6 20 0 1 0 100 4096 17 0";
        assert_eq!((resident_pages(stat, 42), cpu_ticks(stat, 42)), (Some(17), Some(18)));
        assert_eq!((resident_pages(stat, 7), cpu_ticks(stat, 7)), (None, None));
    }
}
