//! File descriptors: who has them, and writing to them (docs/hazards.md#unread-output,
//! docs/hazards.md#closed-and-leaked-descriptors).
//!
//! Descriptors 0 to 2 that were closed are /dev/null already: the standard library opens them before
//! `main`.

use std::os::fd::{BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Descriptors that our parent leaked to us go no further (docs/hazards.md#closed-and-leaked-descriptors).
/// Ours are made so.
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

/// Writes everything, and waits for room as long as it takes.
///
/// # Errors
/// write(2)'s: EPIPE where the reader is gone.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // O_NONBLOCK belongs to the description, which our children and our parent share.
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// For a dying process: waits a moment for room, then writes what a pipe takes at once.
pub fn last_words(fd: BorrowedFd<'_>, bytes: &[u8]) {
    let mut ready = [PollFd::new(fd, PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::from(250u8)) == Ok(1) {
        let _ = nix::unistd::write(fd, &bytes[..bytes.len().min(libc::PIPE_BUF)]);
    }
}
