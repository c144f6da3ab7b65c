//! `/metrics`: the status in the OpenMetrics format. Built at each scrape; no count is stored twice.

mod by_reason;
mod names;

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode as encode_registry;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Metric, Registry};

pub use self::by_reason::ByReason;
#[cfg(test)]
pub use self::names::METRICS;
use self::names::help;
use super::handle::{Phase, RoleName, Status};
use super::other_sites::Fit;
use super::queues::{Figures, Queue};
use crate::record::stage::Stage;
use crate::{sys, telemetry};

const PREFIX: &str = "cauldron_frappe";

pub type Labels = Vec<(&'static str, String)>;

/// The labels of one sample, encoded by the crate's implementation for Vec.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelSet(pub Labels);

impl EncodeLabelSet for LabelSet {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

/// Registers a metric under its name of [`METRICS`]. The crate adds the `_total` of a counter by itself.
pub fn register(registry: &mut Registry, name: &'static str, metric: impl Metric) {
    registry.register(name.trim_end_matches("_total"), help(name), metric);
}

/// The complete exposition.
pub fn encode(status: &Status, figures: Option<&Figures>) -> String {
    let mut exposition = Exposition { registry: Registry::with_prefix(PREFIX), status };
    exposition.process();
    exposition.roles();
    exposition.queues(figures);
    exposition.migration();
    exposition.backup();
    exposition.readiness();
    exposition.restarts();
    exposition.counters();
    let mut text = String::new();
    let _ = encode_registry(&mut text, &exposition.registry);
    text
}

/// Builds the exposition. The order of registration is the order of the lines.
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
        register(&mut self.registry, name, family);
    }

    /// Metrics of this process and its children.
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
        let role = |name: &RoleName| vec![("role", name.to_string())];
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
        let parked = self.status.parked_jobs.iter();
        let parked = parked.map(|(site, jobs)| (vec![("site", site.clone())], *jobs as f64));
        self.gauges("parked_jobs", parked.collect());
        if let Some(scheduler) = &self.status.scheduler {
            self.gauges(
                "scheduler_state",
                vec![(vec![("state", scheduler.state.as_str().to_string())], 1.0)],
            );
        }
    }

    /// Metrics of this code, its migration, and the other sites.
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

    /// Metrics of the last backup and the last verification of one, as their commands wrote them on the volume.
    fn backup(&mut self) {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
        let age_s = |at_s: i64| (now_s - at_s as f64).max(0.0);
        let (last, verified) = (self.status.last_backup.as_ref(), self.status.last_verified.as_ref());
        let figures = [
            ("backup_age_seconds", last.map(|last| age_s(last.at_s))),
            ("backup_bytes", last.map(|last| last.bytes as f64)),
            ("backup_duration_seconds", last.map(|last| last.took_s as f64)),
            (
                "backup_restore_duration_seconds",
                verified.and_then(|verified| verified.restore_ms).map(|ms| ms as f64 / 1000.0),
            ),
            ("backup_verified_age_seconds", verified.and_then(|verified| verified.passed_at_s).map(age_s)),
            ("backup_verify_passed", verified.map(|verified| f64::from(u8::from(verified.passed)))),
        ];
        for (name, figure) in figures {
            let Some(figure) = figure else { continue };
            self.gauges(name, vec![(Vec::new(), figure)]);
        }
    }

    fn readiness(&mut self) {
        let (status, registry) = (self.status, &mut self.registry);
        let ready = status.ready().iter().all(|check| check.problem.is_none());
        register(registry, "ready", ConstGauge::new(i64::from(ready)));
        if let Some(scheduler) = &status.scheduler {
            let leads = ConstGauge::new(i64::from(scheduler.leads));
            register(registry, "scheduler_leader", leads);
            if let Some(lag) = scheduler.lag {
                let lag = ConstGauge::new(lag.as_secs_f64());
                register(registry, "scheduler_lag_seconds", lag);
            }
        }
        if let Some(waited) = status.dependencies_wait {
            register(registry, "dependencies_wait_seconds", ConstGauge::new(waited.as_secs_f64()));
        }
        if let Some(probe) = &status.role_probe {
            register(registry, "probe_latency_seconds", ConstGauge::new(probe.latency.as_secs_f64()));
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
        register(&mut self.registry, "child_restarts_total", restarts);
        register(&mut self.registry, "child_restart_reasons_total", reasons);
    }

    /// Dropped log lines, foreign jobs, and the metrics of the web port.
    fn counters(&mut self) {
        let (status, registry) = (self.status, &mut self.registry);
        let dropped = ConstCounter::new(telemetry::dropped_lines());
        register(registry, "log_lines_dropped_total", dropped);
        if status.queues.is_some() {
            let foreign = ConstCounter::new(status.foreign_jobs);
            register(registry, "foreign_jobs_total", foreign);
        }
        if let Some(front) = &status.front {
            front.register(registry);
        }
    }
}

fn child(name: &str) -> Labels {
    vec![("child", name.to_string())]
}
