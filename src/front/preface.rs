//! Detects the protocol of a connection without TLS by its first bytes, which are then passed on with the rest.

use std::io;

use tokio::net::TcpStream;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// HTTP/2 without TLS begins with `PRI * HTTP/2.0`; no HTTP/1 method begins like this.
const PREFACE: &[u8; 4] = b"PRI ";

/// The bytes that were read to detect the protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstBytes {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl FirstBytes {
    /// The protocol, or None if more bytes are needed.
    pub fn protocol(&self) -> Option<Protocol> {
        match self.bytes() {
            bytes if bytes == PREFACE => Some(Protocol::Http2),
            bytes if PREFACE.starts_with(bytes) => None,
            _ => Some(Protocol::Http1),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Reads until the protocol is known. Needs no buffer while the client sends nothing.
///
/// # Errors
/// Errors of the socket, and the end of the connection.
pub async fn read_first_bytes(socket: &TcpStream) -> io::Result<(FirstBytes, Protocol)> {
    let mut first = FirstBytes::default();
    loop {
        socket.readable().await?;
        match socket.try_read(&mut first.bytes[first.length..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => first.length += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if let Some(protocol) = first.protocol() {
            return Ok((first, protocol));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_detected_by_the_shortest_prefix() {
        let protocol = |text: &[u8]| {
            let mut first = FirstBytes { length: text.len(), ..FirstBytes::default() };
            first.bytes[..text.len()].copy_from_slice(text);
            first.protocol()
        };
        for undecided in [&b""[..], b"P", b"PR", b"PRI"] {
            assert_eq!(protocol(undecided), None);
        }
        assert_eq!(protocol(b"PRI "), Some(Protocol::Http2));
        for http1 in [&b"G"[..], b"PO", b"PRIV", b"\r\n", b"PUT "] {
            assert_eq!(protocol(http1), Some(Protocol::Http1));
        }
    }
}
