//! Sends a case from its own loopback address, and reads what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

use crate::case::{Case, End};

/// A server that sends nothing for this long waits for more of the request.
const SILENCE: Duration = Duration::from_millis(60);
/// For a request that is answered.
const PATIENCE: Duration = Duration::from_millis(2000);
/// The longest answer that is read.
const MAX_ANSWER: usize = 4 << 20;

/// Returns what the server sent.
pub fn deliver(case: &Case, from: Ipv4Addr, port: u16) -> std::io::Result<Vec<u8>> {
    let mut stream = connect_from(from, port)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut start = 0;
    for end in case.cuts.iter().copied().chain([case.bytes.len()]) {
        stream.write_all(&case.bytes[start..end])?;
        start = end;
    }
    match case.end {
        End::Read => {}
        End::HalfClose => stream.shutdown(Shutdown::Write)?,
        End::Close => return Ok(Vec::new()),
        End::Reset => {
            setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
            return Ok(Vec::new());
        }
    }
    Ok(read(&mut stream, case.accepted()))
}

/// Reads until the connection ends or the server is silent; `requests` of them are expected to be answered.
fn read(stream: &mut TcpStream, requests: usize) -> Vec<u8> {
    let (mut answer, mut part) = (Vec::new(), [0; 16 * 1024]);
    while answer.len() < MAX_ANSWER {
        let seen = answer.windows(9).filter(|part| part == b"HTTP/1.1 ").count();
        let timeout = if seen < requests { PATIENCE } else { SILENCE };
        stream.set_read_timeout(Some(timeout)).expect("a timeout");
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    answer
}

fn connect_from(from: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrIn::from(SocketAddrV4::new(from, 0)))?;
    let to = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &to)?;
    Ok(TcpStream::from(socket))
}
