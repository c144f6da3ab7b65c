//! Reads a file at an offset into uninitialized memory.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use bytes::{BufMut, BytesMut};
use nix::errno::Errno;
use nix::libc;

/// Appends up to `max_bytes` from the page cache to `buffer`; none at the end of the file.
///
/// # Errors
/// `WouldBlock` if the read would wait for the disk or a file server.
pub fn read_at_without_waiting(
    file: BorrowedFd<'_>,
    buffer: &mut BytesMut,
    max_bytes: usize,
    at: u64,
) -> io::Result<()> {
    match read(file, buffer, max_bytes, at, libc::RWF_NOWAIT) {
        // File systems without RWF_NOWAIT: the caller reads where blocking is harmless.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => Err(io::ErrorKind::WouldBlock.into()),
        other => other.map_err(io::Error::from),
    }
}

/// Appends up to `max_bytes` to `buffer`, and may block.
///
/// # Errors
/// Those of the file system.
pub fn read_at(
    file: BorrowedFd<'_>,
    mut buffer: BytesMut,
    max_bytes: usize,
    at: u64,
) -> io::Result<BytesMut> {
    loop {
        match read(file, &mut buffer, max_bytes, at, 0) {
            Err(Errno::EINTR) => {}
            other => return other.map(|()| buffer).map_err(io::Error::from),
        }
    }
}

fn read(
    file: BorrowedFd<'_>,
    buffer: &mut BytesMut,
    max_bytes: usize,
    at: u64,
    flags: i32,
) -> Result<(), Errno> {
    buffer.reserve(max_bytes);
    let spare = &mut buffer.spare_capacity_mut()[..max_bytes];
    let part = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() };
    let offset = i64::try_from(at).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel writes into `spare`, which we own, up to its length.
    let count = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, flags) };
    let count = usize::try_from(Errno::result(count)?).unwrap_or_default();
    // SAFETY: the kernel has initialized `count` bytes.
    unsafe { buffer.advance_mut(count) };
    Ok(())
}
