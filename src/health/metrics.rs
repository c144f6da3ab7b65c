//! `/metrics`: the account in the OpenMetrics format. Built at each scrape; nothing is counted twice.

use prometheus_client::encoding::text::encode as encode_registry;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::account::{Account, PHASES};
use crate::{sys, telemetry};

const PREFIX: &str = "cauldron_frappe";

/// Every metric with its meaning; the README's table is held against it.
pub const METRICS: &[(&str, &str)] = &[
    ("build_info", "1, with version and role as labels"),
    ("phase", "1 for the phase the process is in, 0 for the others"),
    ("ready", "1 when /readyz is green"),
    ("dependencies_wait_seconds", "How long the dependencies were waited for at start"),
    ("probe_latency_seconds", "How long the role's own probe took to answer, last time"),
    ("child_up", "1 while the child runs"),
    ("child_restarts_total", "How often the child was started again"),
    ("child_resident_bytes", "Resident memory of the child and what it forked"),
    ("http_requests_total", "Requests to the web port by route and class of status"),
    ("http_request_duration_seconds", "From the head of a request to the last byte of its answer, by route"),
    ("http_requests_in_flight", "Requests to the web port that are being answered"),
    ("log_lines_dropped_total", "Lines dropped because nobody read our output"),
];

pub type Labels = Vec<(&'static str, String)>;

/// One line of labels; the crate's own implementation for Vec fits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelSet(pub Labels);

impl EncodeLabelSet for LabelSet {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

pub fn help(name: &str) -> &'static str {
    METRICS.iter().find(|(metric, _)| *metric == name).map_or("", |(_, help)| help)
}

/// The whole exposition.
pub fn encode(account: &Account) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    let mut gauges = |name: &'static str, values: Vec<(Labels, f64)>| {
        if values.is_empty() {
            return;
        }
        let family = Family::<LabelSet, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
        for (labels, value) in values {
            family.get_or_create(&LabelSet(labels)).set(value);
        }
        registry.register(name, help(name), family);
    };
    let info = vec![("version", env!("CARGO_PKG_VERSION").to_string()), ("role", account.role.to_string())];
    gauges("build_info", vec![(info, 1.0)]);
    let phase = |phase: &super::account::Phase| {
        (vec![("phase", phase.name().to_string())], f64::from(u8::from(*phase == account.phase)))
    };
    gauges("phase", PHASES.iter().map(phase).collect());
    let child = |name: &String| vec![("child", name.clone())];
    gauges(
        "child_up",
        account
            .children
            .iter()
            .map(|(name, c)| (child(name), f64::from(u8::from(c.pid.is_some()))))
            .collect(),
    );
    let resident = account.children.iter().filter_map(|(name, c)| {
        let bytes = sys::proc::resident_bytes_of_group(c.pid?);
        Some((child(name), bytes as f64))
    });
    gauges("child_resident_bytes", resident.collect());

    let ready = account.ready().iter().all(|check| check.problem.is_none());
    registry.register("ready", help("ready"), ConstGauge::new(i64::from(ready)));
    if let Some(waited) = account.dependencies_wait {
        let name = "dependencies_wait_seconds";
        registry.register(name, help(name), ConstGauge::new(waited.as_secs_f64()));
    }
    if let Some(probe) = &account.role_probe {
        let name = "probe_latency_seconds";
        registry.register(name, help(name), ConstGauge::new(probe.latency.as_secs_f64()));
    }
    let restarts = Family::<LabelSet, prometheus_client::metrics::counter::Counter>::default();
    for (name, status) in &account.children {
        restarts.get_or_create(&LabelSet(child(name))).inc_by(status.restarts);
    }
    registry.register("child_restarts", help("child_restarts_total"), restarts);
    registry.register(
        "log_lines_dropped",
        help("log_lines_dropped_total"),
        ConstCounter::new(telemetry::dropped_lines()),
    );
    if let Some((metrics, in_flight)) = &account.front {
        metrics.register(&mut registry);
        in_flight.register(&mut registry);
    }
    let mut text = String::new();
    let _ = encode_registry(&mut text, &registry);
    text
}
