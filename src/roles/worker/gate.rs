//! The gate: closed while a migration pauses all workers.
//!
//! ```text
//!             the key exists, or Redis did not answer
//!   Open ───────────────────────────────────────────────▶ Closed: no worker is started
//!     ▲                                                      │
//!     └── the key does not exist, and the record is open ────┘
//! ```
//!
//! The key in Redis closes the gate at once. Its absence does not open the gate: Redis may have restarted and lost
//! the key during a migration, and a dead leader may have left an interrupted one. The record in the database decides.

use crate::migrate::admit::pauses_workers;
use crate::record::reader::RecordReader;
use crate::roles::RoleContext;

pub struct Gate {
    record: RecordReader,
    closed: bool,
}

impl Gate {
    /// Starts closed until the record is read: it may show an interrupted migration.
    pub fn of(context: &RoleContext<'_>) -> Self {
        Self { record: RecordReader::new(context.database, &context.pod.bench, context.site), closed: true }
    }

    /// Closes the gate until the record is read: Redis did not answer, and may have lost the key.
    pub fn require_check(&mut self) {
        self.closed = true;
    }

    /// Returns true if no worker may run; opens the gate if key and record allow it.
    pub async fn is_closed(&mut self, key_exists: bool) -> bool {
        self.closed |= key_exists;
        if self.closed && !key_exists {
            match self.record.read().await {
                Ok(state) => self.closed = state.is_some_and(|state| pauses_workers(&state)),
                Err(error) => tracing::debug!(
                    event = "worker.gate_unreadable",
                    error,
                    "cannot read the record; the gate stays closed"
                ),
            }
        }
        self.closed
    }
}
