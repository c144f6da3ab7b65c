//! What the kernel knows of a TCP connection.

use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

mod ioctl {
    nix::ioctl_read_bad!(outq, nix::libc::TIOCOUTQ, nix::libc::c_int);
}

/// Bytes that were written and that the other side has not acknowledged; 0 where the kernel does not tell.
pub fn unacknowledged_bytes(socket: &impl AsFd) -> u64 {
    let mut bytes = 0;
    // SAFETY: the descriptor is open while it is borrowed, and the kernel writes one integer.
    match unsafe { ioctl::outq(socket.as_fd().as_raw_fd(), &raw mut bytes) } {
        Ok(_) => u64::try_from(bytes).unwrap_or_default(),
        Err(_) => 0,
    }
}

/// When it is closed, the kernel forgets at once what was not delivered, instead of trying for minutes.
pub fn reset_on_close(socket: &impl AsFd) {
    let _ = setsockopt(socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}
