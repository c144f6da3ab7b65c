//! wait4(2) without nix, whose `WaitStatus` cannot represent a real-time signal and loses the child.

use nix::libc;

use super::exit::Exit;

/// The result of one wait4 call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Reaped(i32, Exit),
    /// The terminal stopped the child (TSTP, TTIN, TTOU); reported once.
    Stopped(i32),
    /// Children exist, but none has changed state.
    Nothing,
    /// ECHILD: no child exists.
    Childless,
}

/// Takes one child that ended or was stopped, including adopted orphans. Never blocks.
pub fn any() -> Waited {
    wait(-1, libc::WNOHANG | libc::WUNTRACED)
}

/// Reaps this child, which is about to end because its exec failed.
pub fn for_child(pid: i32) -> Waited {
    wait(pid, 0)
}

fn wait(pid: i32, flags: i32) -> Waited {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live int; a null rusage is allowed by wait4(2).
        let got = unsafe { libc::wait4(pid, &raw mut status, flags, std::ptr::null_mut()) };
        match got {
            0 => return Waited::Nothing,
            -1 if nix::errno::Errno::last() == nix::errno::Errno::EINTR => {}
            -1 => return Waited::Childless,
            pid if libc::WIFSTOPPED(status) => {
                if matches!(libc::WSTOPSIG(status), libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) {
                    return Waited::Stopped(pid);
                }
                // STOP concerns the child alone, so wait again: each iteration takes one report.
            }
            pid if libc::WIFEXITED(status) => {
                return Waited::Reaped(pid, Exit::Exited(libc::WEXITSTATUS(status)));
            }
            pid => return Waited::Reaped(pid, Exit::Signaled(libc::WTERMSIG(status))),
        }
    }
}
