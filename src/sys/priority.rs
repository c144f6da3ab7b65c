//! The priority of a thread, and of a group of processes.

use nix::libc;

/// `nice -n 10`, as the command does by default. Not lower: beside four busy processes on two cores, what takes 0.3 s took
/// 6 s at 10 and 41 s at 19, and a page beside a backup was hardly faster (docs/backups.md#load).
const NICENESS: i32 = 10;

/// Lowers the priority of every thread of a child's process group. Those that it starts later inherit it. It also gives
/// way on the disk: the I/O priority follows from this one (ionice(1)).
pub fn lower_group(group: i32) {
    let Ok(group) = libc::id_t::try_from(group) else { return };
    // SAFETY: the call has no preconditions; only a higher priority needs a permission.
    unsafe { libc::setpriority(libc::PRIO_PGRP, group, NICENESS) };
}

/// Lets all other threads and processes run before this thread. It cannot be undone.
pub fn lower_this_thread() {
    // SAFETY: the call has no preconditions. On Linux, 0 is the calling thread. It cannot fail: only a higher priority
    // needs a permission.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}
