//! Requests that are refused because a budget of the web port is used up (docs/web-port.md#budgets): counted by reason,
//! and logged once a minute each.

use std::net::IpAddr;

use crate::pages::error_page::RequestError;
use crate::status::metrics::ByReason;

/// The reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    BodyTooLarge,
    BodyTooSlow,
    SpoolFull,
    DiskFull,
    GunicornFull,
    StreamsFull,
    ConnectionStreams,
    WebSocketsFull,
    GunicornAway,
    Timeout,
}

/// The reasons as labels, in their order.
const LABELS: [&str; 10] = [
    "body_too_large",
    "body_too_slow",
    "spool_full",
    "disk_full",
    "gunicorn_full",
    "streams_full",
    "connection_streams",
    "websockets_full",
    "gunicorn_away",
    "timeout",
];

impl Reason {
    /// None for an error that is not one of a budget.
    fn of(error: RequestError) -> Option<Self> {
        Some(match error {
            RequestError::BodyTooLarge => Self::BodyTooLarge,
            RequestError::BodyTooSlow => Self::BodyTooSlow,
            RequestError::Busy => Self::SpoolFull,
            RequestError::NoSpace => Self::DiskFull,
            RequestError::TooManyWaiting => Self::GunicornFull,
            RequestError::TooManyStreams => Self::StreamsFull,
            RequestError::TooManyWebSockets => Self::WebSocketsFull,
            RequestError::Unavailable | RequestError::KeepsFailing => Self::GunicornAway,
            RequestError::Timeout => Self::Timeout,
            _ => return None,
        })
    }
}

/// The count of each reason.
#[derive(Debug)]
pub struct Refusals(pub ByReason<{ LABELS.len() }>);

impl Refusals {
    pub fn new() -> Self {
        Self(ByReason::new(LABELS.map(|reason| [("reason", reason)])))
    }

    /// Counts and logs an error, if it is one of a budget. `client` is the one that the line names.
    pub fn count(&self, error: RequestError, client: IpAddr) {
        if let Some(reason) = Reason::of(error) {
            self.count_reason(reason, Some(error.status().as_u16()), client);
        }
    }

    /// Counts a stream beyond those that a connection may have, which has no response.
    pub fn count_stream(&self, client: IpAddr) {
        self.count_reason(Reason::ConnectionStreams, None, client);
    }

    fn count_reason(&self, reason: Reason, status: Option<u16>, client: IpAddr) {
        if let Some(requests) = self.0.count(reason as usize) {
            let (client, reason) = (client.to_canonical(), LABELS[reason as usize]);
            tracing::warn!(
                event = "request.refused",
                reason,
                status,
                %client,
                requests,
                "refused a request because a limit of the web port is reached"
            );
        }
    }
}
