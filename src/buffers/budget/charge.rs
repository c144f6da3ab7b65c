//! The bytes of one request body or response, charged to the budget until they are released.

use std::sync::Arc;
use std::time::Instant;

use super::{Budget, Kind, Place, Space, limit_bytes};
use crate::buffers::bounds::{MAX_BUFFERED_IN_MEMORY_BYTES, SMALL_BODY_BYTES};
use crate::buffers::slow_bodies::{Size, SlowBody};

/// The bytes charged for one request body or response, released on drop.
#[derive(Debug)]
pub struct Charge {
    pub(super) budget: Arc<Budget>,
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) bytes: u64,
    pub(super) expected_bytes: u64,
    /// True for a request body that is counted as large.
    pub(super) is_large: bool,
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
    /// of it has room at that time. If it `may_displace`, slow bodies give way to it.
    pub fn try_add_on_disk(&mut self, bytes: u64, space: Space, may_displace: bool) -> bool {
        let budget = self.budget.clone();
        let mut state = budget.state();
        let capacity_bytes = budget.capacity_bytes(space, state.used_bytes(Place::Disk));
        let missing = state.missing(self, bytes, capacity_bytes);
        let has_room = missing.is_nothing() || (may_displace && state.slow_bodies.make_room(missing));
        if has_room {
            if !self.is_large && self.will_be_large(bytes) {
                self.is_large = true;
                state.large_bytes += self.bytes;
            }
            state.kept_bytes[self.place as usize][self.kind as usize] += bytes;
            state.large_bytes += if self.is_large { bytes } else { 0 };
            self.bytes += bytes;
        } else {
            state.refused[self.kind as usize] += u64::from(self.kind == Kind::Answer);
            state.log_full(limit_bytes(self.kind, self.own_bytes(bytes), capacity_bytes));
        }
        has_room
    }

    /// Its final size as far as it is known, once it has more bytes.
    pub(super) fn own_bytes(&self, more_bytes: u64) -> u64 {
        self.expected_bytes.max(self.bytes + more_bytes)
    }

    /// True for a request body that is large once it has more bytes.
    pub(super) fn will_be_large(&self, more_bytes: u64) -> bool {
        self.kind == Kind::Request && self.own_bytes(more_bytes) > SMALL_BODY_BYTES
    }

    /// Marks the body as one that arrives too slowly, until the result is dropped.
    pub fn mark_slow(&self) -> SlowBody {
        SlowBody::new(self.budget.clone(), Size { bytes: self.bytes, is_large: self.is_large })
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
        let mut state = self.budget.state();
        state.kept_bytes[self.place as usize][self.kind as usize] -= bytes;
        state.large_bytes -= if self.is_large { bytes } else { 0 };
        drop(state);
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
