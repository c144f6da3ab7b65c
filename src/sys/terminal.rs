//! The controlling terminal, for `-it` runs (docs/hazards.md#terminal).

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

use super::process;

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

/// The child's group was stopped from the terminal: stops our own group as a shell expects of a job,
/// and once continued sees to it that the child goes on. Where nobody could continue us (PID 1, an
/// orphaned group) the kernel ignores TSTP, and the child goes on at once instead of for ever stopped.
pub fn suspend_with(group: i32) {
    let stdin = std::io::stdin();
    if tcgetpgrp(&stdin) == Ok(Pid::from_raw(group)) {
        let _ = tcsetpgrp(&stdin, getpgrp());
    }
    process::signal(0, Signal::SIGTSTP);
    if is_ours() {
        let _ = tcsetpgrp(&stdin, Pid::from_raw(group));
    }
    process::signal(-group, Signal::SIGCONT);
}

nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);

/// How wide stderr's terminal is; 80 where it does not say.
pub fn columns() -> usize {
    let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ fills the struct that it is given (ioctl_tty(2)).
    let told = unsafe { window_size(nix::libc::STDERR_FILENO, &raw mut size) };
    if told.is_ok() && size.ws_col > 0 { usize::from(size.ws_col) } else { 80 }
}
