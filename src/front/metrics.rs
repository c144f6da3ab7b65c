//! Rate, errors and duration of requests by class, and the clients that were disconnected.

use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::parse_errors::ParseErrors;
use super::refusals::Refusals;
use super::route::Route;
use crate::clients::foreign_host::ForeignHosts;
use crate::clients::unlisted_host::UnlistedHosts;
use crate::status::metrics::{ByReason, LabelSet, register};

/// The class of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Assets,
    Files,
    Private,
    Socketio,
    Api,
    Pages,
}

/// The classes as labels, in their order.
const CLASSES: [&str; 6] = ["assets", "files", "private", "socketio", "api", "pages"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// From a cached file to the timeout of gunicorn.
const BUCKETS_S: [f64; 10] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

impl Class {
    pub fn of(route: &Route) -> Self {
        match route {
            Route::Asset(_) => Self::Assets,
            Route::File(_) | Route::Refused => Self::Files,
            Route::Private => Self::Private,
            Route::Socketio => Self::Socketio,
            Route::Api => Self::Api,
            Route::Page => Self::Pages,
        }
    }
}

/// The reason why a client was disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It sent no complete request head.
    NoHead,
    /// It did not send the body that it had announced.
    SlowBody,
    /// It did not read its response.
    UnreadAnswer,
    /// It was idle while the web port had as many connections as it may have.
    IdleAtLimit,
    /// It sent no further request.
    Idle,
    /// Its body was below the minimal rate while an upload had no room.
    SlowBodyAtLimit,
}

/// The reasons as labels, in their order.
const DROP_REASONS: [&str; 6] =
    ["no_head", "slow_body", "unread_answer", "idle_at_limit", "idle", "slow_body_at_limit"];

type Counters = Family<LabelSet, Counter>;
type Histograms = Family<LabelSet, Histogram>;

/// Metrics that are updated per request and exported at each scrape. Frequently used label sets are resolved in
/// advance.
#[derive(Debug)]
pub struct Metrics {
    requests: Counters,
    durations: Histograms,
    dropped_clients: ByReason<{ DROP_REASONS.len() }>,
    counters: [[Counter; 5]; 6],
    histograms: [Histogram; 6],
    pub parse_errors: ParseErrors,
    pub refusals: Refusals,
    pub foreign_hosts: ForeignHosts,
    pub unlisted_hosts: UnlistedHosts,
    /// Requests that were redirected from http to https.
    pub redirects: Counter,
}

impl Metrics {
    pub fn new() -> Self {
        let requests = Counters::default();
        let durations = Histograms::new_with_constructor(|| Histogram::new(BUCKETS_S));
        let route = |class: usize| ("route", CLASSES[class].to_string());
        let counters = std::array::from_fn(|class| {
            std::array::from_fn(|status| {
                let labels = vec![route(class), ("status", STATUSES[status].to_string())];
                requests.get_or_create(&LabelSet(labels)).clone()
            })
        });
        let histograms =
            std::array::from_fn(|class| durations.get_or_create(&LabelSet(vec![route(class)])).clone());
        Self {
            requests,
            durations,
            dropped_clients: ByReason::new(DROP_REASONS.map(|reason| [("reason", reason)])),
            counters,
            histograms,
            parse_errors: ParseErrors::new(),
            refusals: Refusals::new(),
            foreign_hosts: ForeignHosts::default(),
            unlisted_hosts: UnlistedHosts::new(),
            redirects: Counter::default(),
        }
    }

    pub fn count(&self, class: Class, status: StatusCode, elapsed: Duration) {
        let class = class as usize;
        let status = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        self.counters[class][status].inc();
        self.histograms[class].observe(elapsed.as_secs_f64());
    }

    /// Counts a client that was disconnected, and logs it once a minute for each reason.
    pub fn count_drop(&self, reason: impl Into<Option<DropReason>>) {
        let Some(reason) = reason.into() else { return };
        let Some(clients) = self.dropped_clients.count(reason as usize) else { return };
        // The end of an idle connection is no news.
        if reason == DropReason::Idle {
            tracing::debug!(event = "web.idle_connection_closed", clients, "closed an idle connection");
        } else {
            let reason = DROP_REASONS[reason as usize];
            tracing::info!(event = "web.clients_disconnected", reason, clients, "disconnected a client");
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        self.dropped_clients.register(registry, "http_clients_let_go_total");
        register(registry, "http_requests_total", self.requests.clone());
        register(registry, "http_request_duration_seconds", self.durations.clone());
        self.parse_errors.0.register(registry, "http_unparsed_requests_total");
        self.refusals.0.register(registry, "http_requests_refused_total");
        self.foreign_hosts.register(registry);
        self.unlisted_hosts.register(registry);
        register(registry, "http_redirects_total", self.redirects.clone());
    }
}

/// The numbers of requests without a complete response. Long polls are counted separately: dropping them loses no
/// work.
#[derive(Debug, Default)]
pub struct InFlight {
    working: watch::Sender<usize>,
    polling: watch::Sender<usize>,
}

impl InFlight {
    fn of(&self, class: Class) -> &watch::Sender<usize> {
        if class == Class::Socketio { &self.polling } else { &self.working }
    }

    pub fn begin(&self, class: Class) {
        self.of(class).send_modify(|count| *count += 1);
    }

    pub fn end(&self, class: Class) {
        self.of(class).send_modify(|count| *count -= 1);
    }

    /// Waits until only long polls are left.
    pub async fn wait_until_idle(&self) {
        let _ = self.working.subscribe().wait_for(|count| *count == 0).await;
    }

    pub fn register(&self, registry: &mut Registry) {
        let count = *self.working.borrow() + *self.polling.borrow();
        register(registry, "http_requests_in_flight", ConstGauge::new(count));
    }
}
