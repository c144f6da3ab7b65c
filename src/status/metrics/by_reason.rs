//! Events that are counted by reason, and logged at most once a minute for each.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{LabelSet, register};
use crate::telemetry::log_throttle::LogThrottle;

/// A counter with one sample for each of N reasons, which are known from the start: a sample that is absent could
/// not be told from one that is zero.
#[derive(Debug)]
pub struct ByReason<const N: usize> {
    family: Family<LabelSet, Counter>,
    reasons: [(Counter, LogThrottle); N],
}

impl<const N: usize> ByReason<N> {
    /// `labels` are those of each reason, in the order of the reasons.
    pub fn new<const L: usize>(labels: [[(&'static str, &'static str); L]; N]) -> Self {
        let family = Family::<LabelSet, Counter>::default();
        let reasons = labels.map(|labels| {
            let labels = labels.map(|(label, value)| (label, value.to_string()));
            (family.get_or_create(&LabelSet(labels.into())).clone(), LogThrottle::default())
        });
        Self { family, reasons }
    }

    /// Counts an event of the reason with this number. If a line is due, returns the events since the last line.
    pub fn count(&self, reason: usize) -> Option<u64> {
        let (counter, log_throttle) = &self.reasons[reason];
        counter.inc();
        log_throttle.due(Instant::now())
    }

    /// Registers the counter under this name of [`super::METRICS`].
    pub fn register(&self, registry: &mut Registry, name: &'static str) {
        register(registry, name, self.family.clone());
    }
}
