//! Counts what is in progress, for a limit and for a gauge.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[derive(Debug, Default)]
pub struct Tally(AtomicUsize);

/// One that is counted, until it is dropped.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicUsize);

impl Tally {
    pub fn count(&self) -> usize {
        self.0.load(Relaxed)
    }

    pub fn begin(&self) -> Counted<'_> {
        self.0.fetch_add(1, Relaxed);
        Counted(&self.0)
    }

    /// None if there are `limit` already.
    pub fn begin_below(&self, limit: usize) -> Option<Counted<'_>> {
        let counted = Counted(&self.0);
        (self.0.fetch_add(1, Relaxed) < limit).then_some(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
