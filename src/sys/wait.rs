//! wait4(2), without nix: its `WaitStatus` has no room for a real-time signal and loses the child.

use nix::libc;

use super::exit::Exit;

/// What one look at the children gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Reaped(i32, Exit),
    /// A key or a use of the terminal stopped it (TSTP, TTIN, TTOU); told once.
    Stopped(i32),
    /// There are children, and none has ended.
    Nothing,
    /// ECHILD: there is no child at all.
    Childless,
}

/// Takes one child that ended or was stopped, whoever started it. Never blocks.
pub fn any() -> Look {
    wait(-1, libc::WNOHANG | libc::WUNTRACED)
}

/// Takes this child, which is about to end (it told us that exec failed).
pub fn for_child(pid: i32) -> Look {
    wait(pid, 0)
}

fn wait(pid: i32, flags: i32) -> Look {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live int; a null rusage is allowed by wait4(2).
        let got = unsafe { libc::wait4(pid, &raw mut status, flags, std::ptr::null_mut()) };
        match got {
            0 => return Look::Nothing,
            -1 if nix::errno::Errno::last() == nix::errno::Errno::EINTR => {}
            -1 => return Look::Childless,
            pid if libc::WIFSTOPPED(status) => {
                if matches!(libc::WSTOPSIG(status), libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) {
                    return Look::Stopped(pid);
                }
                // STOP was meant for the child alone; each turn takes one report.
            }
            pid if libc::WIFEXITED(status) => {
                return Look::Reaped(pid, Exit::Exited(libc::WEXITSTATUS(status)));
            }
            pid => return Look::Reaped(pid, Exit::Signaled(libc::WTERMSIG(status))),
        }
    }
}
