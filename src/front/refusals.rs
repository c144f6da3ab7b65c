//! Requests that are refused because a budget of the web port is used up (docs/web-port.md#budgets): counted by reason,
//! and logged once a minute each.

use std::net::IpAddr;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::pages::error_page::RequestError;
use crate::status::metrics::{LabelSet, help};
use crate::telemetry::log_throttle::LogThrottle;

/// The reason, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    BodyTooLarge,
    BodyTooSlow,
    SpoolFull,
    DiskFull,
    GunicornFull,
    StreamsFull,
    ConnectionStreams,
    GunicornAway,
    Timeout,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::SpoolFull,
        Self::DiskFull,
        Self::GunicornFull,
        Self::StreamsFull,
        Self::ConnectionStreams,
        Self::GunicornAway,
        Self::Timeout,
    ];

    fn of(error: RequestError) -> Option<Self> {
        match error {
            RequestError::BodyTooLarge => Some(Self::BodyTooLarge),
            RequestError::BodyTooSlow => Some(Self::BodyTooSlow),
            RequestError::Busy => Some(Self::SpoolFull),
            RequestError::NoSpace => Some(Self::DiskFull),
            RequestError::TooManyWaiting => Some(Self::GunicornFull),
            RequestError::TooManyStreams => Some(Self::StreamsFull),
            RequestError::Unavailable | RequestError::KeepsFailing => Some(Self::GunicornAway),
            RequestError::Timeout => Some(Self::Timeout),
            RequestError::BadRequest
            | RequestError::UnknownHost
            | RequestError::NotFound
            | RequestError::MethodNotAllowed
            | RequestError::ForeignOrigin
            | RequestError::TooManyLogins { .. }
            | RequestError::BadGateway
            | RequestError::WrongVersion => None,
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::SpoolFull => "spool_full",
            Self::DiskFull => "disk_full",
            Self::GunicornFull => "gunicorn_full",
            Self::StreamsFull => "streams_full",
            Self::ConnectionStreams => "connection_streams",
            Self::GunicornAway => "gunicorn_away",
            Self::Timeout => "timeout",
        }
    }
}

/// The count of each reason.
#[derive(Debug)]
pub struct Refusals {
    family: Family<LabelSet, Counter>,
    counters: [Counter; Reason::ALL.len()],
    log_throttle: [LogThrottle; Reason::ALL.len()],
}

impl Refusals {
    pub fn new() -> Self {
        let family = Family::<LabelSet, Counter>::default();
        let counters = Reason::ALL.map(|reason| {
            family.get_or_create(&LabelSet(vec![("reason", reason.label().to_string())])).clone()
        });
        Self { family, counters, log_throttle: Default::default() }
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
        self.counters[reason as usize].inc();
        if let Some(requests) = self.log_throttle[reason as usize].due(Instant::now()) {
            let (client, reason) = (client.to_canonical(), reason.label());
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

    pub fn register(&self, registry: &mut Registry) {
        let name = "http_requests_refused";
        registry.register(name, help("http_requests_refused_total"), self.family.clone());
    }
}
