//! Reading a file at an offset into memory that nobody has to clear first.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use bytes::{BufMut, BytesMut};
use nix::errno::Errno;
use nix::libc;

/// Up to `wanted` bytes that are in memory already, appended to `buffer`; none at the end of the file.
///
/// # Errors
/// `WouldBlock` where the disk, or a server, has to be waited for.
pub fn read_at_without_waiting(file: &File, buffer: &mut BytesMut, wanted: usize, at: u64) -> io::Result<()> {
    match read(file, buffer, wanted, at, libc::RWF_NOWAIT) {
        // File systems that cannot tell are asked where it does not matter.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => Err(io::ErrorKind::WouldBlock.into()),
        other => other.map_err(io::Error::from),
    }
}

/// The same, waiting for it.
///
/// # Errors
/// What the file system says.
pub fn read_at(file: &File, buffer: &mut BytesMut, wanted: usize, at: u64) -> io::Result<()> {
    loop {
        match read(file, buffer, wanted, at, 0) {
            Err(Errno::EINTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

fn read(file: &File, buffer: &mut BytesMut, wanted: usize, at: u64, flags: i32) -> Result<(), Errno> {
    buffer.reserve(wanted);
    let spare = &mut buffer.spare_capacity_mut()[..wanted];
    let part = libc::iovec { iov_base: spare.as_mut_ptr().cast(), iov_len: spare.len() };
    let offset = i64::try_from(at).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel writes into `spare`, which is ours and as long as it is told.
    let count = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, flags) };
    let count = usize::try_from(Errno::result(count)?).unwrap_or_default();
    // SAFETY: the kernel wrote so many bytes there.
    unsafe { buffer.advance_mut(count) };
    Ok(())
}
