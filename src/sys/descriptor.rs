//! File descriptors: their inheritance, and writing to them (docs/hazards.md#unread-output,
//! docs/hazards.md#closed-and-leaked-descriptors).
//!
//! The standard library opens closed descriptors 0 to 2 as /dev/null before `main`.

use std::os::fd::{BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Sets close-on-exec on descriptors that our parent leaked to us (docs/hazards.md#closed-and-leaked-descriptors).
/// Our own are opened with it.
pub fn close_on_exec() {
    // SAFETY: changes a flag of descriptors; takes no pointer. Linux 5.11.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return;
    }
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    for fd in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok()) {
        if fd > 2 {
            // SAFETY: changes a flag; the folder's own descriptor in the list already has it.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// Writes all bytes, and waits without a limit until the descriptor is writable.
///
/// # Errors
/// Those of write(2), such as EPIPE if the reader has closed its end.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // Our parent or a child may have set O_NONBLOCK, which belongs to the shared open file description.
            Err(Errno::EAGAIN) => {
                poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes up to PIPE_BUF bytes of a process that is about to exit; waits at most 250 ms until it is writable.
pub fn write_before_exit(fd: BorrowedFd<'_>, bytes: &[u8]) {
    let mut ready = [PollFd::new(fd, PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::from(250u8)) == Ok(1) {
        let _ = nix::unistd::write(fd, &bytes[..bytes.len().min(libc::PIPE_BUF)]);
    }
}
