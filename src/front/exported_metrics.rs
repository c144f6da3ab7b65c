//! The web port's metrics in `/metrics`.

use std::sync::Weak;

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::shared::Shared;
use crate::status::handle::MetricsSource;
use crate::status::metrics::register;

/// All counters of the web port. The status does not keep the web port alive, which has the status.
#[derive(Debug)]
pub struct ExportedMetrics(pub Weak<Shared>);

impl MetricsSource for ExportedMetrics {
    fn register(&self, registry: &mut Registry) {
        let Some(shared) = self.0.upgrade() else { return };
        shared.runtime.budget().register(registry);
        shared.metrics.register(registry);
        shared.logins.register(registry);
        shared.in_flight.register(registry);
        shared.connections.register(registry);
        shared.slots.register(registry);
        shared.outflow.register(registry);
        register(registry, "http_requests_held", shared.held.0.clone());
        if let Some(tls) = &shared.tls {
            register(registry, "tls_certificate_expiry_timestamp_seconds", ConstGauge::new(tls.expiry_s()));
        }
    }
}
