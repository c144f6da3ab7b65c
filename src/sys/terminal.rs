//! The controlling terminal, for `-it` runs (HAZARDS 14).

use std::io::IsTerminal;

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{getpgrp, tcgetpgrp, tcsetpgrp};

/// Whether stdin is our terminal and we are in its foreground.
pub fn is_ours() -> bool {
    let stdin = std::io::stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp())
}

/// From now on our own reads and writes do not stop us while a child is in the foreground. Children
/// get the default disposition back.
pub fn stay_in_background() {
    for stop in [Signal::SIGTTIN, Signal::SIGTTOU] {
        // SAFETY: installs no handler of ours, only SIG_IGN.
        let _ = unsafe { signal(stop, SigHandler::SigIgn) };
    }
}

/// Takes the foreground back once the child that had it has ended.
pub fn take_back() {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let _ = tcsetpgrp(&stdin, getpgrp());
    }
}
