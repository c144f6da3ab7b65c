//! The TLS handshake of a client. It is limited in time (net/tls/server.rs), and gives way at the limit of connections:
//! the client has sent no request yet. A handshake that fails is counted and logged, because such a client sees no page:
//! it may speak plain HTTP, or distrust the certificate.

use std::io;
use std::net::SocketAddr;

use tokio_rustls::server::TlsStream;

use super::client_stream::ClientStream;
use super::metrics::DropReason;
use super::parse_errors::Reason;
use super::shared::Shared;
use crate::net::tls::server::Tls;

/// Returns None if the connection has to end.
pub async fn handshake(
    tls: &Tls,
    socket: ClientStream,
    shared: &Shared,
    peer: SocketAddr,
) -> Option<TlsStream<ClientStream>> {
    let accepted = tokio::select! {
        accepted = tls.accept(socket) => accepted,
        () = shared.connections.room_is_needed() => {
            shared.metrics.count_drop(DropReason::IdleAtLimit);
            return None;
        }
    };
    match accepted {
        Ok(stream) => Some(stream),
        Err(error) => {
            match error.kind() {
                io::ErrorKind::TimedOut => shared.metrics.count_drop(DropReason::NoHead),
                // rustls rejects what the client has sent, or the client what we have.
                io::ErrorKind::InvalidData => {
                    shared.metrics.parse_errors.count(peer, Reason::Handshake, &error.to_string());
                }
                // The client has disconnected, as the check of a load balancer does.
                _ => {}
            }
            None
        }
    }
}
