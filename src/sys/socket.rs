//! The kernel's state of a TCP connection.

use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

mod ioctl {
    nix::ioctl_read_bad!(outq, nix::libc::TIOCOUTQ, nix::libc::c_int);
}

/// The number of written bytes that the peer has not acknowledged; 0 if unknown.
pub fn unacknowledged_bytes(socket: &impl AsFd) -> u64 {
    let mut bytes = 0;
    // SAFETY: the descriptor is open while it is borrowed, and the kernel writes one integer.
    match unsafe { ioctl::outq(socket.as_fd().as_raw_fd(), &raw mut bytes) } {
        Ok(_) => u64::try_from(bytes).unwrap_or_default(),
        Err(_) => 0,
    }
}

/// Makes the kernel discard undelivered data when the socket is closed, instead of retrying for minutes.
pub fn reset_on_close(socket: &impl AsFd) {
    let _ = setsockopt(socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}
