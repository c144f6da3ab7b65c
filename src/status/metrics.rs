//! `/metrics`: the account in the OpenMetrics format. Built at each scrape; nothing is counted twice.

use prometheus_client::encoding::text::encode as encode_registry;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::handle::{Phase, Status};
use super::other_sites::Fit;
use super::queues::{Figures, Queue};
use crate::record::stage::Stage;
use crate::{sys, telemetry};

const PREFIX: &str = "cauldron_frappe";

/// Every metric with its meaning; the table of docs/observability.md is held against it.
pub const METRICS: &[(&str, &str)] = &[
    ("build_info", "1, with version and role as labels"),
    ("phase", "1 for the phase the process is in, 0 for the others"),
    ("ready", "1 when /readyz is green"),
    ("dependencies_wait_seconds", "How long the dependencies were waited for at start"),
    ("probe_latency_seconds", "How long the role's own probe took to answer, last time"),
    ("child_up", "1 while the child runs"),
    ("child_restarts_total", "How often the child was started again"),
    (
        "child_restart_reasons_total",
        "The same by reason: crash, oom, or the role's own: memory, done (its number of jobs), record, secret (its login changed)",
    ),
    ("child_resident_bytes", "Resident memory of the child and what it forked"),
    ("role_ready", "1 when a role's own check is green"),
    ("role_probe_latency_seconds", "How long a role's own check took, last time"),
    ("queue_jobs_waiting", "Jobs that wait in a queue of the bench"),
    ("queue_oldest_job_seconds", "How long the oldest of them has waited"),
    ("queue_jobs_running", "Jobs of a queue that a worker has in hand"),
    ("queue_jobs_finished", "Jobs that ended well and whose result RQ still keeps (10 min)"),
    ("queue_jobs_failed", "Jobs that failed and that RQ still keeps (7 days)"),
    (
        "foreign_jobs_total",
        "Jobs that this pod's workers left in their queue because sites/ has not their site (another installation has it), or it does not fit this code",
    ),
    ("workers", "RQ workers of the bench, of every pod, by state"),
    ("scheduler_leader", "1 while this pod leads the scheduler"),
    ("scheduler_lag_seconds", "Since the last tick that came to its end"),
    (
        "scheduler_state",
        "1 for what the scheduler does at its ticks: active, disabled, paused, maintenance, dormant or standby",
    ),
    (
        "fingerprint_match",
        "1 for what this pod's code is to the database: equal, newer, older (a rollback) or unknown",
    ),
    (
        "gate_stage",
        "1 for where the site's migration stands, as this pod knows it: open, checking, backing_up, draining, maintenance, \
         migrating, finishing, failed",
    ),
    (
        "other_site_served",
        "1 when another site of the bench is served by this pod, 0 when its hosts get 503 (it is not migrated to this code)",
    ),
    ("migration_patches", "Patches of the migration that this pod runs"),
    ("migration_patches_done", "Those of them that are done"),
    ("migration_patch_seconds", "How long the present one has run"),
    ("http_requests_total", "Requests to the web port by route and class of status"),
    ("http_request_duration_seconds", "From the head of a request to the last byte of its answer, by route"),
    ("http_requests_in_flight", "Requests to the web port that are being answered"),
    (
        "http_foreign_host_requests_total",
        "Requests by a host that nobody configured; Frappe gets the site's own name in its place",
    ),
    (
        "http_unparsed_requests_total",
        "Requests that were refused because they are no valid HTTP, by protocol and reason (malformed, too_large)",
    ),
    (
        "http_kept_bytes",
        "Requests' bodies and answers on their way, by kind and by place: memory or the runtime folder",
    ),
    (
        "http_kept_refused_total",
        "By kind: requests refused (503), and parts of answers not read ahead, for want of room in the runtime folder",
    ),
    (
        "http_clients_let_go_total",
        "Clients of the web port that were let go, by reason: no_head (no request came), slow_body (408), unread_answer",
    ),
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
pub fn encode(status: &Status, figures: Option<&Figures>) -> String {
    let mut exposition = Exposition { registry: Registry::with_prefix(PREFIX), status };
    exposition.process();
    exposition.roles();
    exposition.queues(figures);
    exposition.migration();
    exposition.readiness();
    exposition.restarts();
    exposition.others();
    let mut text = String::new();
    let _ = encode_registry(&mut text, &exposition.registry);
    text
}

/// The exposition in the making. The order of registration is the order of the lines.
struct Exposition<'a> {
    registry: Registry,
    status: &'a Status,
}

impl Exposition<'_> {
    fn gauges(&mut self, name: &'static str, values: Vec<(Labels, f64)>) {
        if values.is_empty() {
            return;
        }
        let family = Family::<LabelSet, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
        for (labels, value) in values {
            family.get_or_create(&LabelSet(labels)).set(value);
        }
        self.registry.register(name, help(name), family);
    }

    /// This process and its children.
    fn process(&mut self) {
        let status = self.status;
        let info =
            vec![("version", env!("CARGO_PKG_VERSION").to_string()), ("role", status.role.to_string())];
        self.gauges("build_info", vec![(info, 1.0)]);
        let phase = |phase: Phase| {
            (vec![("phase", phase.as_str().to_string())], f64::from(u8::from(phase == status.phase)))
        };
        self.gauges("phase", Phase::ALL.map(phase).into());
        let up = status
            .children
            .iter()
            .map(|(name, c)| (child(name), f64::from(u8::from(c.pid.is_some()))))
            .collect();
        self.gauges("child_up", up);
        let resident = status.children.iter().filter_map(|(name, c)| {
            let bytes = sys::proc::resident_bytes_of_group(c.pid?);
            Some((child(name), bytes as f64))
        });
        self.gauges("child_resident_bytes", resident.collect());
    }

    fn roles(&mut self) {
        let role = |name: &&'static str| vec![("role", (*name).to_string())];
        let checks = &self.status.role_checks;
        let ready =
            checks.iter().map(|(name, c)| (role(name), f64::from(u8::from(c.problem.is_none())))).collect();
        self.gauges("role_ready", ready);
        let latency = checks.iter().map(|(name, c)| (role(name), c.latency.as_secs_f64())).collect();
        self.gauges("role_probe_latency_seconds", latency);
    }

    fn queues(&mut self, figures: Option<&Figures>) {
        let queue = |figure: fn(&Queue) -> f64| -> Vec<(Labels, f64)> {
            let queues = figures.iter().flat_map(|figures| &figures.queues);
            queues.map(|queue| (vec![("queue", queue.name.clone())], figure(queue))).collect()
        };
        self.gauges("queue_jobs_waiting", queue(|queue| queue.waiting as f64));
        self.gauges("queue_oldest_job_seconds", queue(|queue| queue.oldest_s));
        self.gauges("queue_jobs_running", queue(|queue| queue.running as f64));
        self.gauges("queue_jobs_finished", queue(|queue| queue.finished as f64));
        self.gauges("queue_jobs_failed", queue(|queue| queue.failed as f64));
        let workers = figures.iter().flat_map(|figures| &figures.workers);
        let workers = workers.map(|(state, count)| (vec![("state", state.clone())], *count as f64));
        self.gauges("workers", workers.collect());
        if let Some(scheduler) = &self.status.scheduler {
            self.gauges(
                "scheduler_state",
                vec![(vec![("state", scheduler.state.as_str().to_string())], 1.0)],
            );
        }
    }

    /// This code and the sites of the bench.
    fn migration(&mut self) {
        let status = self.status;
        if let Some(relation) = status.gate.relation {
            self.gauges("fingerprint_match", vec![(vec![("relation", relation.as_str().to_string())], 1.0)]);
            let stage = status.gate.stage.map(Stage::label).unwrap_or_default();
            self.gauges("gate_stage", vec![(vec![("stage", stage.to_string())], 1.0)]);
        }
        let served = |(site, fit): (&str, &Fit)| {
            (vec![("site", site.to_string())], f64::from(u8::from(fit.is_served())))
        };
        self.gauges("other_site_served", status.other_sites.iter().map(served).collect());
        if let Some(progress) = &status.gate.progress {
            let running = progress.patch.as_ref().map_or(0.0, |_| progress.since.elapsed().as_secs_f64());
            let number = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
            self.gauges("migration_patches", vec![(Vec::new(), number(progress.patches))]);
            self.gauges("migration_patches_done", vec![(Vec::new(), number(progress.done))]);
            self.gauges("migration_patch_seconds", vec![(Vec::new(), running)]);
        }
    }

    fn readiness(&mut self) {
        let (status, registry) = (self.status, &mut self.registry);
        let ready = status.ready().iter().all(|check| check.problem.is_none());
        registry.register("ready", help("ready"), ConstGauge::new(i64::from(ready)));
        if let Some(scheduler) = &status.scheduler {
            let leads = ConstGauge::new(i64::from(scheduler.leads));
            registry.register("scheduler_leader", help("scheduler_leader"), leads);
            if let Some(lag) = scheduler.lag {
                let lag = ConstGauge::new(lag.as_secs_f64());
                registry.register("scheduler_lag_seconds", help("scheduler_lag_seconds"), lag);
            }
        }
        if let Some(waited) = status.dependencies_wait {
            let name = "dependencies_wait_seconds";
            registry.register(name, help(name), ConstGauge::new(waited.as_secs_f64()));
        }
        if let Some(probe) = &status.role_probe {
            let name = "probe_latency_seconds";
            registry.register(name, help(name), ConstGauge::new(probe.latency.as_secs_f64()));
        }
    }

    fn restarts(&mut self) {
        let restarts = Family::<LabelSet, prometheus_client::metrics::counter::Counter>::default();
        let reasons = Family::<LabelSet, prometheus_client::metrics::counter::Counter>::default();
        for (name, status) in &self.status.children {
            restarts.get_or_create(&LabelSet(child(name))).inc_by(status.restarts);
            for (reason, count) in &status.restart_reasons {
                let labels = [child(name), vec![("reason", (*reason).to_string())]].concat();
                reasons.get_or_create(&LabelSet(labels)).inc_by(*count);
            }
        }
        self.registry.register("child_restarts", help("child_restarts_total"), restarts);
        self.registry.register("child_restart_reasons", help("child_restart_reasons_total"), reasons);
    }

    /// Log lines, foreign jobs, and the web port's own.
    fn others(&mut self) {
        let (status, registry) = (self.status, &mut self.registry);
        let dropped = ConstCounter::new(telemetry::dropped_lines());
        registry.register("log_lines_dropped", help("log_lines_dropped_total"), dropped);
        if status.queues.is_some() {
            let foreign = ConstCounter::new(status.foreign_jobs);
            registry.register("foreign_jobs", help("foreign_jobs_total"), foreign);
        }
        if let Some(front) = &status.front {
            front.register(registry);
        }
    }
}

fn child(name: &str) -> Labels {
    vec![("child", name.to_string())]
}
