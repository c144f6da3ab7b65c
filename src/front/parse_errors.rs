//! Requests that hyper rejects before the service sees them. They are counted, and logged with the peer's address.
//!
//! hyper answers 400, 414 or 431 by itself, and the connection ends with the reason. With HTTP/2 only the stream
//! ends, and the frame that resets it is the only indication (`h2_resets`). Failed handshakes of TLS are counted here, too.

use std::error::Error;
use std::net::SocketAddr;

use crate::status::metrics::ByReason;

/// The reason, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Malformed,
    TooLarge,
    Http2,
    ProxyHeader,
    Handshake,
}

const LABELS: [[(&str, &str); 2]; 5] = [
    [("protocol", "http1"), ("reason", "malformed")],
    [("protocol", "http1"), ("reason", "too_large")],
    [("protocol", "http2"), ("reason", "malformed")],
    [("protocol", "proxy"), ("reason", "malformed")],
    [("protocol", "tls"), ("reason", "handshake")],
];

/// The count of each reason.
#[derive(Debug)]
pub struct ParseErrors(pub ByReason<{ LABELS.len() }>);

impl ParseErrors {
    pub fn new() -> Self {
        Self(ByReason::new(LABELS))
    }

    /// Counts the error of a connection that ended, if it is a parse error.
    pub fn ended(&self, peer: SocketAddr, error: &(dyn Error + 'static)) {
        if let Some(error) = error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse()) {
            let reason = if error.is_parse_too_large() { Reason::TooLarge } else { Reason::Malformed };
            self.count(peer, reason, &error.to_string());
        }
    }

    /// Counts and logs an invalid request. `detail` must contain no part of the request, which may be sensitive.
    pub fn count(&self, peer: SocketAddr, reason: Reason, detail: &str) {
        if let Some(requests) = self.0.count(reason as usize) {
            let client = peer.ip().to_canonical();
            let [(_, protocol), (_, reason)] = LABELS[reason as usize];
            tracing::warn!(
                event = "request.invalid",
                %client,
                protocol,
                reason,
                detail,
                requests,
                "rejected an invalid request"
            );
        }
    }
}
