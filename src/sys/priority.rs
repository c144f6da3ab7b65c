//! The priority of a thread.

use nix::libc;

/// `nice -n 10`, as the command does by default.
const NICENESS: i32 = 10;

/// Lets all other threads and processes run before this thread. It cannot be undone.
pub fn lower_this_thread() {
    // SAFETY: the call has no preconditions. On Linux, 0 is the calling thread. It cannot fail: only a higher priority
    // needs a permission.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}
