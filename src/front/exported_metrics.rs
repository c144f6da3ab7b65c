//! The web port's metrics in `/metrics`.

use std::sync::Arc;

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::connections::Connections;
use super::metrics::{InFlight, Metrics};
use super::outflow::Pool;
use super::shared::Shared;
use super::slots::AllSlots;
use super::tally::Tally;
use crate::buffers::budget::Budget;
use crate::logins::Logins;
use crate::net::tls::server::Tls;
use crate::status::handle::MetricsSource;
use crate::status::metrics::help;

/// All counters of the web port, without a reference to the web port itself.
#[derive(Debug)]
pub struct ExportedMetrics {
    metrics: Arc<Metrics>,
    logins: Arc<Logins>,
    in_flight: Arc<InFlight>,
    budget: Arc<Budget>,
    connections: Arc<Connections>,
    slots: Arc<AllSlots>,
    held: Arc<Tally>,
    outflow: Arc<Pool>,
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
            slots: shared.slots.clone(),
            held: shared.held.clone(),
            outflow: shared.outflow.clone(),
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
        self.slots.register(registry);
        self.outflow.register(registry);
        let held = i64::try_from(self.held.count()).unwrap_or(i64::MAX);
        registry.register("http_requests_held", help("http_requests_held"), ConstGauge::new(held));
        if let Some(tls) = &self.tls {
            let name = "tls_certificate_expiry_timestamp_seconds";
            let expiry_s = i64::try_from(tls.expiry_s()).unwrap_or(i64::MAX);
            registry.register(name, help(name), ConstGauge::new(expiry_s));
        }
    }
}
