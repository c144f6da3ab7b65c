//! Counts what is in progress, for a limit and for a gauge.

use prometheus_client::metrics::gauge::Gauge;

/// The number of those that are in progress.
#[derive(Debug, Default)]
pub struct Tally(pub Gauge);

/// One that is counted, until it is dropped.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Tally {
    pub fn begin(&self) -> Counted {
        self.0.inc();
        Counted(self.0.clone())
    }

    /// None if there are `limit` already.
    pub fn begin_below(&self, limit: i64) -> Option<Counted> {
        let counted = Counted(self.0.clone());
        (self.0.inc() < limit).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
