//! The web port's metrics in `/metrics`.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::budget::Budget;
use super::metrics::{InFlight, Metrics};
use super::shared::Shared;
use crate::status::handle::MetricsSource;

/// All counters of the web port, without a reference to the web port itself.
#[derive(Debug)]
pub struct ExportedMetrics {
    metrics: Arc<Metrics>,
    in_flight: Arc<InFlight>,
    budget: Arc<Budget>,
}

impl ExportedMetrics {
    pub fn of(shared: &Shared) -> Self {
        let budget = shared.runtime.budget().clone();
        Self { metrics: shared.metrics.clone(), in_flight: shared.in_flight.clone(), budget }
    }
}

impl MetricsSource for ExportedMetrics {
    fn register(&self, registry: &mut Registry) {
        self.budget.register(registry);
        self.metrics.register(registry);
        self.in_flight.register(registry);
    }
}
