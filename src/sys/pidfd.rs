//! A descriptor of a process that is not our child: unlike a pid, it is never reused (pidfd_open(2);
//! docs/hazards.md#reused-pid).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::signal::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub struct PidFd(OwnedFd);

impl PidFd {
    /// Opens the process.
    ///
    /// # Errors
    /// ESRCH if it does not exist.
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: the call takes two integers and returns a new descriptor, or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel has just opened it for us, and nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: a valid descriptor, a signal's number, no siginfo, no flags.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal as i32,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Completes when the process has ended, even if another process reaps it.
    pub async fn ended(&self) -> io::Result<()> {
        // SAFETY: the descriptor outlives the borrow that is registered.
        let readable = unsafe { AsyncFd::register_with_interest(self.0.as_fd(), Interest::READABLE) }?;
        readable.readable().await.map(drop)
    }
}
