//! The web port's metrics in `/metrics`.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::budget::Budget;
use super::connections::Connections;
use super::logins::Logins;
use super::metrics::{InFlight, Metrics};
use super::shared::Shared;
use super::tls::Tls;
use crate::status::handle::MetricsSource;

/// All counters of the web port, without a reference to the web port itself.
#[derive(Debug)]
pub struct ExportedMetrics {
    metrics: Arc<Metrics>,
    logins: Arc<Logins>,
    in_flight: Arc<InFlight>,
    budget: Arc<Budget>,
    connections: Arc<Connections>,
    tls: Option<Arc<Tls>>,
}

impl ExportedMetrics {
    pub fn of(shared: &Shared) -> Self {
        Self {
            metrics: shared.metrics.clone(),
            logins: shared.logins.clone(),
            in_flight: shared.in_flight.clone(),
            budget: shared.runtime.budget().clone(),
            connections: shared.connections.clone(),
            tls: shared.tls.clone(),
        }
    }
}

impl MetricsSource for ExportedMetrics {
    fn register(&self, registry: &mut Registry) {
        self.budget.register(registry);
        self.metrics.register(registry);
        self.logins.register(registry);
        self.in_flight.register(registry);
        self.connections.register(registry);
        if let Some(tls) = &self.tls {
            tls.register(registry);
        }
    }
}
