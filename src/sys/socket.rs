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

/// Limits the written bytes that the kernel keeps unsent. Otherwise it keeps megabytes for a peer that takes none, in the
/// memory of this container.
pub fn limit_unsent_bytes(socket: &impl AsFd, bytes: u32) {
    let (value, size) = ((&raw const bytes).cast(), size_of::<u32>() as libc::socklen_t);
    // SAFETY: the descriptor is open while it is borrowed, and the kernel reads one integer.
    unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, value, size);
    }
}

/// Makes the kernel discard undelivered data when the socket is closed, instead of retrying for minutes.
pub fn reset_on_close(socket: &impl AsFd) {
    let _ = setsockopt(socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// The bytes that the kernel takes for a peer that reads nothing.
    fn taken_bytes(prepare: impl Fn(&TcpStream)) -> usize {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        prepare(&socket);
        socket.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| socket.write(&[0; 16 * 1024]).ok()).sum()
    }

    #[test]
    fn a_peer_that_reads_nothing_takes_little_of_the_kernels_memory() {
        let (limited, unlimited) =
            (taken_bytes(|socket| limit_unsent_bytes(socket, 64 * 1024)), taken_bytes(|_| ()));
        assert!(limited < 512 * 1024 && limited < unlimited / 2, "{limited} of {unlimited}");
    }
}
