//! Signals to processes and process groups, and adoption of orphans.
#![allow(clippy::disallowed_methods)] // Only this module may call them.

use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Makes this process the subreaper of its orphaned descendants, as PID 1 always is (prctl(2)).
pub fn adopt_orphans() {
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// True if this process is the init of its pid namespace.
pub fn is_init() -> bool {
    nix::unistd::getpid() == Pid::from_raw(1)
}

/// Sends a signal with kill(2); `pid` may be a negative group. Returns false if no such process exists or may be
/// signalled.
pub fn signal(pid: i32, signal: Signal) -> bool {
    kill(Pid::from_raw(pid), signal).is_ok()
}

/// True if a process group has a member. EPERM means that it has one of another user.
pub fn group_exists(group: i32) -> bool {
    kill(Pid::from_raw(-group), None) != Err(Errno::ESRCH)
}

/// Signals every process except this one. Only for PID 1, where that means the container; else returns false.
pub fn signal_all(signal: Option<Signal>) -> bool {
    is_init() && kill(Pid::from_raw(-1), signal).is_ok()
}

/// Our direct children, by their parent in /proc: not every kernel has `/proc/PID/task/TID/children`.
pub fn children() -> Vec<i32> {
    let parent = nix::unistd::getpid().as_raw();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| std::str::from_utf8(entry.file_name().as_bytes()).ok()?.parse().ok())
        .filter(|pid: &i32| parent_of(*pid) == Some(parent))
        .collect()
}

/// The fourth field of /proc/PID/stat; the second may contain spaces and brackets (proc(5)).
fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}
