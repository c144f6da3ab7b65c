//! The controlling terminal, for `-it` runs (HAZARDS 14).

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{getpgrp, tcgetpgrp, tcsetpgrp};

static HANDED_OVER: AtomicBool = AtomicBool::new(false);

/// Whether stdin is our terminal and we are in its foreground.
pub fn is_ours() -> bool {
    let stdin = std::io::stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp())
}

/// To be called before a child takes the foreground: our own reads and writes must not stop us while
/// we are in the background. Children get the default dispositions back.
pub fn hand_over() {
    HANDED_OVER.store(true, Ordering::Relaxed);
    for stop in [Signal::SIGTTIN, Signal::SIGTTOU] {
        // SAFETY: installs no handler of ours, only SIG_IGN.
        let _ = unsafe { signal(stop, SigHandler::SigIgn) };
    }
}

/// Takes the foreground back once the child that had it has ended. A terminal that was never ours to
/// give stays with whoever has it: taking it would stop us.
pub fn take_back() {
    if HANDED_OVER.load(Ordering::Relaxed) {
        let _ = tcsetpgrp(std::io::stdin(), getpgrp());
    }
}
