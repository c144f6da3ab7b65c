//! The PROXY protocol: a peer in CAULDRON_PROXY_PROTOCOL sends the client's address before anything else, also before
//! TLS. On the web port it must send it: otherwise its own address would be taken for that of its clients. On the
//! second port it may: a load balancer may have a header only on its listener for https.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::connection::Port;
use super::connection_end::wait_for_stop;
use super::metrics::DropReason;
use super::parse_errors::Reason;
use super::shared::Shared;
use crate::clients::proxy_header::{Begin, begin_of};

/// Returns the client that a listed peer names, or the peer itself if it names none, and the bytes that were read
/// behind the header. None if the header is invalid, if it did not arrive in time, or if the connection has to end.
pub async fn client_of(
    socket: &TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    port: Port,
    deadline: Instant,
) -> Option<(SocketAddr, Vec<u8>)> {
    let mut stop = shared.stop.subscribe();
    let mut bytes = Vec::new();
    let read = tokio::select! {
        read = timeout_at(deadline, read_header(socket, &mut bytes)) => read,
        () = wait_for_stop(&mut stop) => return None,
        () = shared.connections.room_is_needed() => {
            shared.metrics.count_drop(DropReason::IdleAtLimit);
            return None;
        }
    };
    let Ok(begin) = read else {
        shared.metrics.count_drop(DropReason::NoHead);
        return None;
    };
    let detail = match begin? {
        Begin::Header { length, source } => return Some((source.unwrap_or(peer), bytes.split_off(length))),
        Begin::Other if port == Port::Redirect => return Some((peer, bytes)),
        Begin::Other => "no PROXY header",
        Begin::Invalid => "invalid PROXY header",
    };
    shared.metrics.parse_errors.count(peer, Reason::ProxyHeader, detail);
    None
}

/// Reads until the begin of the connection is known. None if the peer has disconnected before, as the check of a load
/// balancer does.
async fn read_header(socket: &TcpStream, bytes: &mut Vec<u8>) -> Option<Begin> {
    loop {
        if let Some(begin) = begin_of(bytes) {
            return Some(begin);
        }
        socket.readable().await.ok()?;
        match socket.try_read_buf(bytes) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}
