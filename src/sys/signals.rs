//! The signal mask of this process.

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Blocks every signal, so that a signal that arrives before its handler stays pending: PID 1 ignores signals with
/// the default action (docs/hazards.md#lost-stop-signal). Must be called before any thread exists.
pub fn block_all() {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
}

/// Unblocks every signal, which delivers the pending ones. Must be called after the handlers are installed.
pub fn unblock_all() {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}
