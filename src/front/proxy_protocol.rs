//! The PROXY protocol: a peer in CAULDRON_PROXY_PROTOCOL sends the client's address before anything else, also before
//! TLS. It must send it: otherwise its own address would be taken for that of its clients.
//!
//! Exactly the header is read, so that the rest of the connection needs no buffer.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::connection_end::wait_for_stop;
use super::metrics::DropReason;
use super::parse_errors::Reason;
use super::shared::Shared;
use crate::clients::proxy_header::{MIN_BYTES, Needed, needed, source};

/// The begin of a connection of a listed peer.
#[derive(Debug)]
pub struct Begin {
    /// The client that the header names, or the peer itself if it names none.
    pub client: SocketAddr,
    /// Bytes that were read and belong to no header. With bytes there was no header.
    pub rest: Vec<u8>,
}

/// Returns the client that a listed peer names, or the peer itself if it names none. None if the header is invalid, if it
/// did not arrive in time, or if the connection has to end.
pub async fn client_of(
    socket: &TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    deadline: Instant,
) -> Option<SocketAddr> {
    let begin = begin_of(socket, peer, shared, deadline).await?;
    if !begin.rest.is_empty() {
        shared.metrics.parse_errors.count(peer, Reason::ProxyHeader, "no PROXY header");
        return None;
    }
    Some(begin.client)
}

/// Reads a header, if the connection begins with one. None if it is invalid, or if nothing arrived in time, or if the
/// connection has to end.
pub async fn begin_of(
    socket: &TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    deadline: Instant,
) -> Option<Begin> {
    let mut stop = shared.stop.subscribe();
    let read = tokio::select! {
        read = timeout_at(deadline, read_header(socket)) => read,
        () = wait_for_stop(&mut stop) => return None,
        () = shared.connections.room_is_needed() => {
            shared.metrics.count_drop(DropReason::IdleAtLimit);
            return None;
        }
    };
    match read {
        Ok(Ok(header)) => match source(&header) {
            Ok(source) => Some(Begin { client: source.unwrap_or(peer), rest: Vec::new() }),
            Err(detail) => {
                shared.metrics.parse_errors.count(peer, Reason::ProxyHeader, detail);
                None
            }
        },
        Ok(Err(Unread::Other(rest))) => Some(Begin { client: peer, rest }),
        Ok(Err(Unread::Disconnected)) => None,
        Err(_) => {
            shared.metrics.count_drop(DropReason::NoHead);
            None
        }
    }
}

/// Why there is no header.
enum Unread {
    /// The connection begins with something else.
    Other(Vec<u8>),
    /// The check of a load balancer, for example.
    Disconnected,
}

/// Reads until the end of the header.
async fn read_header(socket: &TcpStream) -> Result<Vec<u8>, Unread> {
    let (mut header, mut length) = (vec![0; MIN_BYTES], 0);
    loop {
        match needed(&header[..length]) {
            Some(Needed::Nothing) => return Ok(header),
            Some(Needed::Bytes(bytes)) => header.resize(bytes, 0),
            None => {
                header.truncate(length);
                return Err(Unread::Other(header));
            }
        }
        socket.readable().await.map_err(|_| Unread::Disconnected)?;
        match socket.try_read(&mut header[length..]) {
            Ok(0) => return Err(Unread::Disconnected),
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Unread::Disconnected),
        }
    }
}
