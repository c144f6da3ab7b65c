//! The signal mask of this process.

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Blocks every signal, so that one which arrives before its handler stays pending: PID 1 ignores signals
/// whose action is the default (docs/hazards.md#lost-stop-signal). To be called before any thread exists.
pub fn block_all() {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
}

/// Lets the pending ones through, once the handlers are in place.
pub fn unblock_all() {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}
