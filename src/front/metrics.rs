//! Rate, errors and duration of requests by class, and the clients that were disconnected.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use super::parse_errors::ParseErrors;
use super::refusals::Refusals;
use super::route::Route;
use crate::clients::foreign_host::ForeignHosts;
use crate::clients::unlisted_host::UnlistedHosts;
use crate::status::metrics::{LabelSet, help};
use crate::telemetry::log_throttle::LogThrottle;

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

const CLASSES: [(Class, &str); 6] = [
    (Class::Assets, "assets"),
    (Class::Files, "files"),
    (Class::Private, "private"),
    (Class::Socketio, "socketio"),
    (Class::Api, "api"),
    (Class::Pages, "pages"),
];
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
}

impl DropReason {
    const ALL: [Self; 5] = [Self::NoHead, Self::SlowBody, Self::UnreadAnswer, Self::IdleAtLimit, Self::Idle];

    pub fn label(self) -> &'static str {
        match self {
            Self::NoHead => "no_head",
            Self::SlowBody => "slow_body",
            Self::UnreadAnswer => "unread_answer",
            Self::IdleAtLimit => "idle_at_limit",
            Self::Idle => "idle",
        }
    }

    fn labels(self) -> LabelSet {
        LabelSet(vec![("reason", self.label().to_string())])
    }
}

type Counters = Family<LabelSet, Counter>;
type Histograms = Family<LabelSet, Histogram>;

/// Metrics that are updated per request and exported at each scrape. Frequently used label sets are resolved in
/// advance.
#[derive(Debug)]
pub struct Metrics {
    requests: Counters,
    durations: Histograms,
    dropped_clients: Counters,
    drop_throttle: [LogThrottle; DropReason::ALL.len()],
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
        let route = |class: usize| ("route", CLASSES[class].1.to_string());
        let counters = std::array::from_fn(|class| {
            std::array::from_fn(|status| {
                let labels = vec![route(class), ("status", STATUSES[status].to_string())];
                requests.get_or_create(&LabelSet(labels)).clone()
            })
        });
        let histograms =
            std::array::from_fn(|class| durations.get_or_create(&LabelSet(vec![route(class)])).clone());
        let dropped_clients = Counters::default();
        for reason in DropReason::ALL {
            drop(dropped_clients.get_or_create(&reason.labels()));
        }
        Self {
            requests,
            durations,
            dropped_clients,
            drop_throttle: Default::default(),
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
        self.dropped_clients.get_or_create(&reason.labels()).inc();
        let Some(clients) = self.drop_throttle[reason as usize].due(Instant::now()) else { return };
        // The end of an idle connection is no news.
        if reason == DropReason::Idle {
            tracing::debug!(event = "web.idle_connection_closed", clients, "closed an idle connection");
        } else {
            let reason = reason.label();
            tracing::info!(event = "web.clients_disconnected", reason, clients, "disconnected a client");
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_clients_let_go",
            help("http_clients_let_go_total"),
            self.dropped_clients.clone(),
        );
        registry.register("http_requests", help("http_requests_total"), self.requests.clone());
        let name = "http_request_duration_seconds";
        registry.register(name, help(name), self.durations.clone());
        self.parse_errors.register(registry);
        self.refusals.register(registry);
        self.foreign_hosts.register(registry);
        self.unlisted_hosts.register(registry);
        registry.register("http_redirects", help("http_redirects_total"), self.redirects.clone());
    }
}

/// Requests without a complete response. Long polls are counted separately: dropping them loses no work.
#[derive(Debug, Default)]
pub struct InFlight {
    working: AtomicUsize,
    polling: AtomicUsize,
    idle: Notify,
}

impl InFlight {
    fn counter(&self, class: Class) -> &AtomicUsize {
        if class == Class::Socketio { &self.polling } else { &self.working }
    }

    pub fn begin(&self, class: Class) {
        self.counter(class).fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self, class: Class) {
        if self.counter(class).fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle.notify_waiters();
        }
    }

    /// Waits until only long polls are left.
    pub async fn wait_until_idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.working.load(Ordering::Relaxed) == 0 {
                return;
            }
            notified.await;
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        let count = self.working.load(Ordering::Relaxed) + self.polling.load(Ordering::Relaxed);
        let name = "http_requests_in_flight";
        registry.register(name, help(name), ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)));
    }
}
