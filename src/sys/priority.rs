//! The priority of a thread, and of a group of processes.

use nix::libc;

/// Of a thread: `nice -n 10`, as the command does by default.
const THREAD_NICENESS: i32 = 10;
/// Of programs of a backup: the lowest. At 10, a page beside a backup on two cores took twice as long (`make bench`).
const GROUP_NICENESS: i32 = 19;

/// Lowers the priority of every thread of a child's process group. Those that it starts later inherit it. It also gives
/// way on the disk: the I/O priority follows from this one (ionice(1)).
pub fn lower_group(group: i32) {
    let Ok(group) = libc::id_t::try_from(group) else { return };
    // SAFETY: the call has no preconditions; only a higher priority needs a permission.
    unsafe { libc::setpriority(libc::PRIO_PGRP, group, GROUP_NICENESS) };
}

/// Lets all other threads and processes run before this thread. It cannot be undone.
pub fn lower_this_thread() {
    // SAFETY: the call has no preconditions. On Linux, 0 is the calling thread. It cannot fail: only a higher priority
    // needs a permission.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, THREAD_NICENESS) };
}
