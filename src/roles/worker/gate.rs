//! Whether a migration keeps every worker from running.
//!
//! ```text
//!             the key is there, or Redis did not answer
//!   Open ───────────────────────────────────────────────▶ Doubted: no worker is started
//!     ▲                                                      │
//!     └── the key is not there, and the record says open ────┘
//! ```
//!
//! The key in Redis closes at once. It does not open: a Redis that restarted has lost it in the middle of
//! a migration, and a leader that is gone may have left half of one. The record in the database does.

use crate::migrate::admit::holds_workers;
use crate::record::reader::RecordReader;
use crate::roles::RoleContext;

pub struct Gate {
    record: RecordReader,
    doubted: bool,
}

impl Gate {
    /// The bootstrap has just read the record, and half a migration is known from it.
    pub fn of(around: &RoleContext<'_>) -> Self {
        Self { record: RecordReader::new(around.database, &around.pod.bench, around.site), doubted: true }
    }

    /// Redis did not answer: what it says next may not be all that it knew.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }

    pub async fn is_closed(&mut self, key_is_there: bool) -> bool {
        self.doubted |= key_is_there;
        if self.doubted && !key_is_there {
            match self.record.read().await {
                Ok(state) => self.doubted = state.is_some_and(|state| holds_workers(&state)),
                Err(error) => tracing::debug!(error, "whether somebody migrates cannot be told"),
            }
        }
        self.doubted
    }
}
