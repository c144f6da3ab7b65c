//! Requests that hyper rejects before the service sees them. They are counted, and logged with the peer's address.
//!
//! hyper answers 400, 414 or 431 by itself, and the connection ends with the reason. With HTTP/2 only the stream
//! ends, and the frame that resets it is the only indication (`h2_resets`).

use std::error::Error;
use std::net::SocketAddr;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::status::metrics::{LabelSet, help};
use crate::telemetry::log_throttle::LogThrottle;

/// The reason, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Malformed,
    TooLarge,
    Http2,
    ProxyHeader,
}

const LABELS: [[(&str, &str); 2]; 4] = [
    [("protocol", "http1"), ("reason", "malformed")],
    [("protocol", "http1"), ("reason", "too_large")],
    [("protocol", "http2"), ("reason", "malformed")],
    [("protocol", "proxy"), ("reason", "malformed")],
];

/// The count of each reason.
#[derive(Debug)]
pub struct ParseErrors {
    family: Family<LabelSet, Counter>,
    counters: [Counter; 4],
    log_throttle: [LogThrottle; 4],
}

impl ParseErrors {
    pub fn new() -> Self {
        let family = Family::<LabelSet, Counter>::default();
        let counters = LABELS.map(|labels| {
            let labels = labels.map(|(name, value)| (name, value.to_string()));
            family.get_or_create(&LabelSet(labels.to_vec())).clone()
        });
        Self { family, counters, log_throttle: Default::default() }
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
        let index = reason as usize;
        self.counters[index].inc();
        if let Some(requests) = self.log_throttle[index].due(Instant::now()) {
            let client = peer.ip().to_canonical();
            let [(_, protocol), (_, reason)] = LABELS[index];
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

    pub fn register(&self, registry: &mut Registry) {
        let name = "http_unparsed_requests";
        registry.register(name, help("http_unparsed_requests_total"), self.family.clone());
    }
}
