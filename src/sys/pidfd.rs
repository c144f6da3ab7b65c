//! A process held by a descriptor: its number may be reused, the descriptor still means it
//! (pidfd_open(2); docs/hazards.md#reused-pid). For processes that are not our children.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::libc;
use nix::sys::signal::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub struct PidFd(OwnedFd);

impl PidFd {
    /// # Errors
    /// ESRCH where there is no such process.
    pub fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: the call takes two integers and gives a descriptor that nobody else owns, or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel has just given it to us.
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

    /// Ends when the process has ended, whoever reaps it.
    pub async fn ended(&self) -> io::Result<()> {
        // SAFETY: the descriptor outlives the borrow that is watched.
        let readable = unsafe { AsyncFd::register_with_interest(self.0.as_fd(), Interest::READABLE) }?;
        readable.readable().await.map(drop)
    }
}
