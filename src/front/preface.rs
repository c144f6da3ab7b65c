//! Which protocol a connection in clear speaks. Its first bytes tell, and are handed on with the rest.

use std::io;

use tokio::net::TcpStream;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

/// HTTP/2 in clear begins with `PRI * HTTP/2.0`, and no method does.
const PREFACE: &[u8; 4] = b"PRI ";

/// What was read of a connection to know its protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct First {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl First {
    /// None until enough is here.
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

/// Reads until the protocol is known. Costs no buffer while the client is silent.
///
/// # Errors
/// What the socket says; the end of the connection is one, too.
pub async fn read_first(socket: &TcpStream) -> io::Result<(First, Protocol)> {
    let mut first = First::default();
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
    fn as_many_bytes_are_read_as_tell_the_protocol() {
        let protocol = |text: &[u8]| {
            let mut first = First { length: text.len(), ..First::default() };
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
