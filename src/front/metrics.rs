//! Rate, errors and duration of the requests, by what they were for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use super::foreign_host::ForeignHosts;
use super::route::Route;
use super::unparsed::Unparsed;
use crate::status::metrics::{LabelSet, help};

/// What a request was for.
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
/// From a file in memory to what gunicorn's timeout ends.
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

/// Why a client was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetGo {
    /// It sent no whole head of a request.
    NoHead,
    /// It did not send the body that it had announced.
    SlowBody,
    /// It did not take its answer.
    UnreadAnswer,
}

impl LetGo {
    const ALL: [Self; 3] = [Self::NoHead, Self::SlowBody, Self::UnreadAnswer];

    fn labels(self) -> LabelSet {
        let reason = match self {
            Self::NoHead => "no_head",
            Self::SlowBody => "slow_body",
            Self::UnreadAnswer => "unread_answer",
        };
        LabelSet(vec![("reason", reason.to_string())])
    }
}

type Counters = Family<LabelSet, Counter>;
type Histograms = Family<LabelSet, Histogram>;

/// Counted once, shown at each scrape. What is counted often is looked up once.
#[derive(Debug)]
pub struct Metrics {
    requests: Counters,
    durations: Histograms,
    let_go: Counters,
    counters: [[Counter; 5]; 6],
    histograms: [Histogram; 6],
    pub unparsed: Unparsed,
    pub foreign_hosts: ForeignHosts,
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
        let let_go = Counters::default();
        for reason in LetGo::ALL {
            drop(let_go.get_or_create(&reason.labels()));
        }
        let (unparsed, foreign_hosts) = (Unparsed::new(), ForeignHosts::default());
        Self { requests, durations, let_go, counters, histograms, unparsed, foreign_hosts }
    }

    pub fn count(&self, class: Class, status: StatusCode, elapsed: Duration) {
        let class = class as usize;
        let status = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        self.counters[class][status].inc();
        self.histograms[class].observe(elapsed.as_secs_f64());
    }

    /// A client was let go before it had its answer.
    pub fn let_go(&self, reason: LetGo) {
        self.let_go.get_or_create(&reason.labels()).inc();
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_clients_let_go", help("http_clients_let_go_total"), self.let_go.clone());
        registry.register("http_requests", help("http_requests_total"), self.requests.clone());
        let name = "http_request_duration_seconds";
        registry.register(name, help(name), self.durations.clone());
        self.unparsed.register(registry);
        self.foreign_hosts.register(registry);
    }
}

/// Requests that have no answer yet, or not all of it. Who waits on events for the sake of waiting is
/// counted apart: nothing of his is lost when he is cut off.
#[derive(Debug, Default)]
pub struct InFlight {
    working: AtomicUsize,
    waiting: AtomicUsize,
    none: Notify,
}

impl InFlight {
    fn counter(&self, class: Class) -> &AtomicUsize {
        if class == Class::Socketio { &self.waiting } else { &self.working }
    }

    pub fn begin(&self, class: Class) {
        self.counter(class).fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self, class: Class) {
        if self.counter(class).fetch_sub(1, Ordering::Relaxed) == 1 {
            self.none.notify_waiters();
        }
    }

    /// Until nobody's work is left.
    pub async fn none(&self) {
        loop {
            let notified = self.none.notified();
            if self.working.load(Ordering::Relaxed) == 0 {
                return;
            }
            notified.await;
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        let count = self.working.load(Ordering::Relaxed) + self.waiting.load(Ordering::Relaxed);
        let name = "http_requests_in_flight";
        registry.register(name, help(name), ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)));
    }
}
