//! The web port's part of `/metrics`.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::budget::Budget;
use super::metrics::{InFlight, Metrics};
use super::shared::Shared;
use crate::status::handle::Figures;

/// All that the web port counts, without keeping the web port itself.
#[derive(Debug)]
pub struct FrontFigures {
    metrics: Arc<Metrics>,
    in_flight: Arc<InFlight>,
    budget: Arc<Budget>,
}

impl FrontFigures {
    pub fn of(shared: &Shared) -> Self {
        let budget = shared.runtime.budget().clone();
        Self { metrics: shared.metrics.clone(), in_flight: shared.in_flight.clone(), budget }
    }
}

impl Figures for FrontFigures {
    fn register(&self, registry: &mut Registry) {
        self.budget.register(registry);
        self.metrics.register(registry);
        self.in_flight.register(registry);
    }
}
