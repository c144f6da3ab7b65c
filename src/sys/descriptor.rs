//! File descriptors: what they are, and writing to them without ever blocking (HAZARDS 8, 13).
//!
//! Descriptors 0 to 2 that were closed are /dev/null already: the standard library opens them before
//! `main`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Descriptors that our parent leaked to us go no further (HAZARDS 13). Ours are made so.
pub fn close_on_exec() {
    // SAFETY: changes a flag of descriptors; needs no memory. Linux 5.11.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return;
    }
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    for fd in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok()) {
        if fd > 2 {
            // SAFETY: changes a flag; the folder's own descriptor in the list has it already.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// How a descriptor is written to without blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Regular files and devices such as /dev/null: a write never waits for a reader.
    File,
    /// Pipes and terminals: reopened with O_NONBLOCK.
    Reopenable,
    Socket,
}

/// What stands behind a descriptor.
pub fn kind(fd: BorrowedFd<'_>) -> Kind {
    let Ok(stat) = nix::sys::stat::fstat(fd) else { return Kind::File };
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFIFO => Kind::Reopenable,
        libc::S_IFSOCK => Kind::Socket,
        // SAFETY: a system call on an open descriptor.
        libc::S_IFCHR if unsafe { libc::isatty(fd.as_raw_fd()) } == 1 => Kind::Reopenable,
        _ => Kind::File,
    }
}

/// The same pipe or terminal once more, as a file description of our own with O_NONBLOCK. The flag
/// on the inherited description would be everybody's: our children's and our parent's.
///
/// # Errors
/// ENXIO for a pipe without reader, EACCES for one of another user.
pub fn reopen(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    Ok(std::fs::File::options().write(true).custom_flags(flags).open(path)?.into())
}

/// Writes to a socket without waiting, whatever its flags.
///
/// # Errors
/// send(2)'s; EAGAIN as `WouldBlock`.
pub fn send_now(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?)
}

/// Writes to a descriptor that does not block, or never does.
///
/// # Errors
/// write(2)'s; EAGAIN as `WouldBlock`.
pub fn write_now(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::write(fd, bytes) {
            Err(Errno::EINTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Tells when a descriptor takes bytes again.
///
/// # Errors
/// epoll_ctl(2)'s: EPERM for a file, which always takes them.
pub fn watch_writable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` that nobody else has stays open, and the same, as long as it is watched.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::WRITABLE) }?)
}

/// For a dying process: waits a moment for room, then writes what a pipe takes at once.
pub fn last_words(fd: BorrowedFd<'_>, bytes: &[u8]) {
    let mut ready = [PollFd::new(fd, PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::from(250u8)) == Ok(1) {
        let _ = nix::unistd::write(fd, &bytes[..bytes.len().min(libc::PIPE_BUF)]);
    }
}
