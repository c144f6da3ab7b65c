//! Accounts for all buffered bytes: request bodies, and responses read ahead of slow clients, in memory and in the
//! runtime folder. Requests have priority: a response without room is sent at its client's pace, while a request
//! without room waits (room.rs), and would then be refused. config/runtime_size.rs has the shares.

mod charge;
mod folder;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

pub use charge::Charge;
pub use folder::{FolderLimit, Space};

use super::bounds::SMALL_BODY_BYTES;
use super::room::WaitingUploads;
use super::slow_bodies::{Missing, SlowBodies};
use crate::config::runtime_size::{
    LARGE_REQUESTS_PERCENT, RESERVED_PERCENT, RESPONSES_PERCENT, SMALL_REQUESTS_PERCENT, share_bytes,
};
use crate::status::metrics::{LabelSet, register};
use crate::telemetry::log_throttle::LogThrottle;

/// The kind of buffered data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Memory,
    Disk,
}

const KINDS: [(Kind, &str); 2] = [(Kind::Request, "request"), (Kind::Answer, "answer")];
const PLACES: [(Place, &str); 2] = [(Place::Memory, "memory"), (Place::Disk, "disk")];

#[derive(Debug)]
pub struct Budget {
    folder_limit: FolderLimit,
    pub(super) state: Mutex<State>,
    /// Notified when bytes in the runtime folder were released.
    released: Notify,
    /// Notified when another upload waits, so that one of them may have to make room.
    pub(super) waiting_changed: Notify,
    memory_throttle: LogThrottle,
    disk_throttle: LogThrottle,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Indexed by place and kind.
    kept_bytes: [[u64; 2]; 2],
    /// Bytes in the runtime folder of request bodies over [`SMALL_BODY_BYTES`].
    large_bytes: u64,
    refused: [u64; 2],
    pub(super) waiting: WaitingUploads,
    pub(super) slow_bodies: SlowBodies,
    log_throttle: LogThrottle,
}

impl State {
    fn used_bytes(&self, place: Place) -> u64 {
        self.kept_bytes[place as usize].iter().sum()
    }

    /// The bytes of request bodies in the runtime folder.
    pub(super) fn requests_on_disk_bytes(&self) -> u64 {
        self.kept_bytes[Place::Disk as usize][Kind::Request as usize]
    }

    /// What is missing in the runtime folder for more bytes of this charge. All requests together have one limit, and
    /// large ones with the responses another: what small ones hold does not count there, so they cannot crowd out a large
    /// one that has begun.
    fn missing(&self, charge: &Charge, more_bytes: u64, capacity_bytes: u64) -> Missing {
        let needed_bytes = if charge.bytes == 0 { charge.own_bytes(more_bytes) } else { more_bytes };
        let excess_bytes = |used_bytes: u64, leaving_bytes: u64, percent: u64| {
            let used_bytes = used_bytes.saturating_sub(leaving_bytes).saturating_add(needed_bytes);
            used_bytes.saturating_sub(share_bytes(capacity_bytes, percent))
        };
        let percent = if charge.kind == Kind::Answer { RESPONSES_PERCENT } else { SMALL_REQUESTS_PERCENT };
        let leaving_bytes = self.slow_bodies.leaving_bytes();
        let mut missing = Missing {
            bytes: excess_bytes(self.used_bytes(Place::Disk), leaving_bytes, percent),
            large_bytes: 0,
        };
        if charge.will_be_large(more_bytes) {
            let answer_bytes = self.kept_bytes[Place::Disk as usize][Kind::Answer as usize];
            let own_bytes = if charge.is_large { 0 } else { charge.bytes };
            let leaving_bytes = self.slow_bodies.leaving_large_bytes();
            let used_bytes = answer_bytes + self.large_bytes + own_bytes;
            missing.large_bytes = excess_bytes(used_bytes, leaving_bytes, LARGE_REQUESTS_PERCENT);
        }
        missing
    }

    /// Logs at most once a minute that there is no room in the runtime folder.
    fn log_full(&self, limit_bytes: u64) {
        if self.log_throttle.due(Instant::now()).is_none() {
            return;
        }
        tracing::warn!(
            event = "web.buffer_full",
            requests_refused = self.refused[Kind::Request as usize],
            answers_not_read_ahead = self.refused[Kind::Answer as usize],
            uploads_waiting = self.waiting.count(),
            kept_bytes = self.used_bytes(Place::Disk),
            limit_bytes,
            "the runtime folder's share for buffered requests and responses is full; give CAULDRON_RUNTIME_DIR \
             more space if this recurs"
        );
    }
}

/// The number of bytes that may be in the runtime folder after data of this kind is added (for large requests: of them
/// and of responses).
fn limit_bytes(kind: Kind, own_bytes: u64, capacity_bytes: u64) -> u64 {
    let percent = match kind {
        Kind::Answer => RESPONSES_PERCENT,
        Kind::Request if own_bytes > SMALL_BODY_BYTES => LARGE_REQUESTS_PERCENT,
        Kind::Request => SMALL_REQUESTS_PERCENT,
    };
    share_bytes(capacity_bytes, percent)
}

impl Budget {
    pub fn new(folder_limit: FolderLimit) -> Arc<Self> {
        Arc::new(Self {
            folder_limit,
            state: Mutex::default(),
            released: Notify::new(),
            waiting_changed: Notify::new(),
            memory_throttle: LogThrottle::default(),
            disk_throttle: LogThrottle::default(),
        })
    }

    /// Returns an empty charge. `expected_bytes` is its final size, as far as it is known.
    pub fn charge(self: &Arc<Self>, kind: Kind, place: Place, expected_bytes: u64) -> Charge {
        Charge { budget: self.clone(), kind, place, bytes: 0, expected_bytes, is_large: false }
    }

    /// The space that would be available to us if nothing were buffered.
    fn capacity_bytes(&self, space: Space, kept_bytes: u64) -> u64 {
        let free_bytes = space.free_bytes.saturating_add(kept_bytes);
        let reserved_bytes = share_bytes(space.total_bytes, RESERVED_PERCENT).min(free_bytes / 2);
        (free_bytes - reserved_bytes).min(self.folder_limit.capacity_bytes())
    }

    /// Completes when bytes in the runtime folder are released after this call.
    pub fn released(&self) -> Notified<'_> {
        self.released.notified()
    }

    /// Logs at most once a minute that a request body cannot be stored.
    pub fn log_disk_error(&self, error: &std::io::Error) {
        if let Some(requests) = self.disk_throttle.due(Instant::now()) {
            tracing::warn!(
                event = "request.spool_failed",
                %error,
                requests,
                "request body cannot be stored in the runtime folder"
            );
        }
    }

    /// Counts a request that was refused because there is no room for it.
    pub fn count_refused_request(&self) {
        self.state().refused[Kind::Request as usize] += 1;
    }

    pub fn register(&self, registry: &mut Registry) {
        let state = self.state();
        let kept = Family::<LabelSet, Gauge>::default();
        let refused = Family::<LabelSet, Counter>::default();
        for (kind, kind_name) in KINDS {
            let of_kind = ("kind", kind_name.to_string());
            for (place, place_name) in PLACES {
                let labels = LabelSet(vec![of_kind.clone(), ("place", place_name.to_string())]);
                let bytes = state.kept_bytes[place as usize][kind as usize];
                kept.get_or_create(&labels).set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
            refused.get_or_create(&LabelSet(vec![of_kind])).inc_by(state.refused[kind as usize]);
        }
        register(registry, "http_kept_bytes", kept);
        register(registry, "http_kept_refused_total", refused);
        register(registry, "http_uploads_waiting", ConstGauge::new(state.waiting.count()));
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
