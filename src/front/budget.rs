//! Accounts for all buffered bytes: request bodies, and responses read ahead of slow clients, in memory and in the
//! runtime folder. Requests have priority: a response without space is sent at its client's pace, but a request
//! without space would be refused.
//!
//! ```text
//!   free in the runtime folder  0 % ──── 25 % ──────── 50 % ──────── 75 % ──── 100 %
//!   responses                   ████████
//!   bodies over 1 MiB           ██████████████████████
//!   bodies up to 1 MiB          ████████████████████████████████████
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::bounds::{
    LARGE_REQUESTS_PERCENT, MAX_BUFFERED_IN_MEMORY_BYTES, MEMORY_PERCENT, RESERVED_PERCENT,
    RESPONSES_PERCENT, SMALL_BODY_BYTES, SMALL_REQUESTS_PERCENT,
};
use super::log_throttle::LogThrottle;
use crate::status::metrics::{LabelSet, help};

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

/// Space of the runtime folder's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

#[derive(Debug)]
pub struct Budget {
    /// Memory limit of the container, or else of the machine. None if the runtime folder is on a disk.
    memory_limit_bytes: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Indexed by place and kind.
    kept_bytes: [[u64; 2]; 2],
    refused: [u64; 2],
    log_throttle: LogThrottle,
}

impl State {
    fn used_bytes(&self, place: Place) -> u64 {
        self.kept_bytes[place as usize].iter().sum()
    }
}

/// The number of bytes that may be in the runtime folder after data of this kind is added.
fn limit_bytes(kind: Kind, own_bytes: u64, capacity_bytes: u64) -> u64 {
    let share = match kind {
        Kind::Answer => RESPONSES_PERCENT,
        Kind::Request if own_bytes > SMALL_BODY_BYTES => LARGE_REQUESTS_PERCENT,
        Kind::Request => SMALL_REQUESTS_PERCENT,
    };
    capacity_bytes / 100 * share
}

impl Budget {
    pub fn new(memory_limit_bytes: Option<u64>) -> Arc<Self> {
        Arc::new(Self { memory_limit_bytes, state: Mutex::default() })
    }

    /// Returns an empty charge.
    pub fn charge(self: &Arc<Self>, kind: Kind, place: Place) -> Charge {
        Charge { budget: self.clone(), kind, place, bytes: 0 }
    }

    /// The space that would be available to us if nothing were buffered.
    fn capacity_bytes(&self, space: Space, kept_bytes: u64) -> u64 {
        let free_bytes = space.free_bytes.saturating_add(kept_bytes);
        let reserved_bytes = (space.total_bytes / 100 * RESERVED_PERCENT).min(free_bytes / 2);
        let capacity_bytes = free_bytes - reserved_bytes;
        self.memory_limit_bytes
            .map_or(capacity_bytes, |limit| capacity_bytes.min(limit / 100 * MEMORY_PERCENT))
    }

    /// Counts a refusal, and logs it at most once a minute.
    fn count_refusal(&self, state: &mut State, kind: Kind, limit_bytes: u64) {
        state.refused[kind as usize] += 1;
        if state.log_throttle.due(Instant::now()).is_none() {
            return;
        }
        tracing::warn!(
            event = "web.buffer_full",
            requests_refused = state.refused[Kind::Request as usize],
            answers_not_read_ahead = state.refused[Kind::Answer as usize],
            kept_bytes = state.used_bytes(Place::Disk),
            limit_bytes,
            "the runtime folder's share for buffered requests and responses is full; give CAULDRON_RUNTIME_DIR \
             more space if this recurs"
        );
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
        registry.register("http_kept_bytes", help("http_kept_bytes"), kept);
        registry.register("http_kept_refused", help("http_kept_refused_total"), refused);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes charged for one request body or response, released on drop.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    kind: Kind,
    place: Place,
    bytes: u64,
}

impl Charge {
    /// Charges more bytes in memory. Returns false if there is no room for them.
    pub fn try_add_in_memory(&mut self, bytes: u64) -> bool {
        let has_room = self.budget.state().used_bytes(Place::Memory) + bytes <= MAX_BUFFERED_IN_MEMORY_BYTES;
        if has_room {
            self.add(bytes);
        }
        has_room
    }

    /// Charges more bytes in the runtime folder. Returns false if there is no room for them.
    pub fn try_add_on_disk(&mut self, bytes: u64, space: Space) -> bool {
        let budget = self.budget.clone();
        let mut state = budget.state();
        let kept_bytes = state.used_bytes(Place::Disk);
        let capacity_bytes = budget.capacity_bytes(space, kept_bytes);
        let limit_bytes = limit_bytes(self.kind, self.bytes + bytes, capacity_bytes);
        let has_room = kept_bytes + bytes <= limit_bytes;
        if has_room {
            state.kept_bytes[self.place as usize][self.kind as usize] += bytes;
            self.bytes += bytes;
        } else {
            budget.count_refusal(&mut state, self.kind, limit_bytes);
        }
        has_room
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn requests_have_priority_over_responses_and_small_requests_over_large_ones() {
        let budget = Budget::new(None);
        let mut free_bytes = 400 * MIB;
        let mut fill = |kind, step: u64, one: bool| {
            let mut charges = vec![budget.charge(kind, Place::Disk)];
            loop {
                if !one {
                    charges.push(budget.charge(kind, Place::Disk));
                }
                let charge = charges.last_mut().unwrap();
                if !charge.try_add_on_disk(step, Space { free_bytes, total_bytes: 0 }) {
                    return charges;
                }
                free_bytes -= step;
            }
        };
        let used_mib = || budget.state().used_bytes(Place::Disk) / MIB;
        let answers = fill(Kind::Answer, MIB, true);
        assert_eq!(used_mib(), 100);
        let large = fill(Kind::Request, 2 * MIB, true);
        assert_eq!(used_mib(), 200);
        let small = fill(Kind::Request, MIB, false);
        assert_eq!(used_mib(), 300);
        assert_eq!(budget.state().refused, [2, 1]);
        drop((answers, large, small));
        assert_eq!(used_mib(), 0);
    }

    #[test]
    fn a_runtime_folder_in_memory_is_limited_by_the_container_memory() {
        let budget = Budget::new(Some(400 * MIB));
        let mut request = budget.charge(Kind::Request, Place::Disk);
        let space = Space { free_bytes: 64 << 30, total_bytes: 64 << 30 };
        assert!(request.try_add_on_disk(MIB, space));
        assert!(!request.try_add_on_disk(50 * MIB, space));
    }

    #[test]
    fn a_shared_disk_is_not_filled() {
        let budget = Budget::new(None);
        let capacity = |free_bytes, total_bytes| budget.capacity_bytes(Space { free_bytes, total_bytes }, 0);
        assert_eq!(capacity(100, 100), 85);
        assert_eq!(capacity(60, 100), 45);
        // Nearly full: half of the free space.
        assert_eq!(capacity(10, 100), 5);
    }

    #[test]
    fn requests_and_responses_share_the_memory_limit() {
        let budget = Budget::new(None);
        let mut request = budget.charge(Kind::Request, Place::Memory);
        let mut answer = budget.charge(Kind::Answer, Place::Memory);
        assert!(answer.try_add_in_memory(MAX_BUFFERED_IN_MEMORY_BYTES - 10));
        assert!(request.try_set_in_memory(10) && !request.try_set_in_memory(11));
        assert!(request.try_set_in_memory(4) && answer.try_add_in_memory(6));
        drop(answer);
        assert_eq!(budget.state().used_bytes(Place::Memory), 4);
    }
}
