//! The controlling terminal, for `-it` runs (docs/hazards.md#terminal).

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

use super::process;

static HANDED_OVER: AtomicBool = AtomicBool::new(false);

/// True if stdin is a terminal and we are in its foreground.
pub fn is_ours() -> bool {
    let stdin = std::io::stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp())
}

/// Prepares for a child in the foreground: ignores TTIN and TTOU, so that our reads and writes do not stop us in
/// the background. Children get the default dispositions.
pub fn hand_over() {
    HANDED_OVER.store(true, Ordering::Relaxed);
    for stop in [Signal::SIGTTIN, Signal::SIGTTOU] {
        // SAFETY: installs SIG_IGN, no handler.
        let _ = unsafe { signal(stop, SigHandler::SigIgn) };
    }
}

/// Takes the foreground back after the child that had it has ended. Does nothing if we never handed it over:
/// taking the terminal of another group would stop us.
pub fn take_back() {
    if HANDED_OVER.load(Ordering::Relaxed) {
        let _ = tcsetpgrp(std::io::stdin(), getpgrp());
    }
}

/// Stops our own group after the terminal stopped the child's group, as a shell expects of a job, and continues the
/// child once we are continued. If no process could continue us (PID 1, an orphaned group), the kernel ignores
/// TSTP, and the child continues at once instead of staying stopped forever.
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

/// The width of stderr's terminal in columns; 80 if unknown.
pub fn columns() -> usize {
    let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ fills the given struct (ioctl_tty(2)).
    let result = unsafe { window_size(nix::libc::STDERR_FILENO, &raw mut size) };
    if result.is_ok() && size.ws_col > 0 { usize::from(size.ws_col) } else { 80 }
}
