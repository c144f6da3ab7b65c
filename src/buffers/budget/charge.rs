//! The bytes of one request body or response, charged to the budget until they are released.

use std::sync::Arc;
use std::time::Instant;

use super::{Budget, Kind, Place, Space, limit_bytes};
use crate::buffers::bounds::MAX_BUFFERED_IN_MEMORY_BYTES;

/// The bytes charged for one request body or response, released on drop.
#[derive(Debug)]
pub struct Charge {
    pub(super) budget: Arc<Budget>,
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) bytes: u64,
    pub(super) expected_bytes: u64,
}

impl Charge {
    /// Charges more bytes in memory. Returns false if there is no room for them.
    pub fn try_add_in_memory(&mut self, bytes: u64) -> bool {
        let has_room = self.budget.state().used_bytes(Place::Memory) + bytes <= MAX_BUFFERED_IN_MEMORY_BYTES;
        if has_room {
            self.add(bytes);
        } else if self.budget.memory_throttle.due(Instant::now()).is_some() {
            tracing::info!(
                event = "web.buffer_memory_full",
                limit_bytes = MAX_BUFFERED_IN_MEMORY_BYTES,
                "buffered requests and responses use all of their memory; others go to the runtime folder"
            );
        }
        has_room
    }

    /// Charges more bytes in the runtime folder. Returns false if there is no room for them. Nothing begins unless all
    /// of it has room at that time.
    pub fn try_add_on_disk(&mut self, bytes: u64, space: Space) -> bool {
        let budget = self.budget.clone();
        let mut state = budget.state();
        let kept_bytes = state.used_bytes(Place::Disk);
        let own_bytes = self.expected_bytes.max(self.bytes + bytes);
        let needed_bytes = if self.bytes == 0 { own_bytes } else { bytes };
        let limit_bytes = limit_bytes(self.kind, own_bytes, budget.capacity_bytes(space, kept_bytes));
        let has_room = kept_bytes.saturating_add(needed_bytes) <= limit_bytes;
        if has_room {
            state.kept_bytes[self.place as usize][self.kind as usize] += bytes;
            self.bytes += bytes;
        } else {
            state.refused[self.kind as usize] += u64::from(self.kind == Kind::Answer);
            state.log_full(limit_bytes);
        }
        has_room
    }

    /// The charged bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Charges more bytes, even if there is no room for them.
    pub fn add(&mut self, bytes: u64) {
        self.budget.state().kept_bytes[self.place as usize][self.kind as usize] += bytes;
        self.bytes += bytes;
    }

    pub fn release(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.budget.state().kept_bytes[self.place as usize][self.kind as usize] -= bytes;
        self.bytes -= bytes;
        if bytes > 0 && self.place == Place::Disk {
            self.budget.released.notify_waiters();
        }
    }

    /// Sets the charge in memory. Returns false if it would grow and there is no room for it.
    pub fn try_set_in_memory(&mut self, bytes: u64) -> bool {
        if bytes > self.bytes {
            return self.try_add_in_memory(bytes - self.bytes);
        }
        self.release(self.bytes - bytes);
        true
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}
