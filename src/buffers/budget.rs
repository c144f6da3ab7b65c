//! Accounts for all buffered bytes: request bodies, and responses read ahead of slow clients, in memory and in the
//! runtime folder. Requests have priority: a response without room is sent at its client's pace, while a request
//! without room waits (room.rs), and would then be refused. config/runtime_size.rs has the shares.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::sys::statvfs::Statvfs;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::bounds::{MAX_BUFFERED_IN_MEMORY_BYTES, MEMORY_PERCENT, SMALL_BODY_BYTES};
use super::room::WaitingUploads;
use crate::config::runtime_size::{
    LARGE_REQUESTS_PERCENT, RESERVED_PERCENT, RESPONSES_PERCENT, SMALL_REQUESTS_PERCENT, capacity_bytes,
    share_bytes,
};
use crate::status::metrics::{LabelSet, help};
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

/// Space of the runtime folder's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

impl Space {
    pub fn of(system: Statvfs) -> Self {
        let bytes = |blocks: u64| blocks.saturating_mul(system.fragment_size());
        Self { free_bytes: bytes(system.blocks_available()), total_bytes: bytes(system.blocks()) }
    }
}

/// What limits the runtime folder, besides its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderLimit {
    /// CAULDRON_RUNTIME_SIZE.
    Size(u64),
    /// It is in memory: the memory limit of the container, or else of the machine.
    Memory(u64),
    /// It is on a disk.
    None,
}

impl FolderLimit {
    fn capacity_bytes(self) -> u64 {
        match self {
            Self::Size(bytes) => capacity_bytes(bytes),
            Self::Memory(limit) => share_bytes(limit, MEMORY_PERCENT),
            Self::None => u64::MAX,
        }
    }

    /// The largest body that fits into the folder while nothing else is in its file system.
    pub fn largest_body_bytes(self, total_bytes: u64) -> u64 {
        let capacity_bytes = match self {
            Self::Size(_) => self.capacity_bytes(),
            _ => self.capacity_bytes().min(capacity_bytes(total_bytes)),
        };
        limit_bytes(Kind::Request, u64::MAX, capacity_bytes)
    }
}

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
    refused: [u64; 2],
    pub(super) waiting: WaitingUploads,
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

/// The number of bytes that may be in the runtime folder after data of this kind is added.
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
        Charge { budget: self.clone(), kind, place, bytes: 0, expected_bytes }
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
        registry.register("http_kept_bytes", help("http_kept_bytes"), kept);
        registry.register("http_kept_refused", help("http_kept_refused_total"), refused);
        let waiting = Gauge::<i64>::default();
        waiting.set(i64::try_from(state.waiting.count()).unwrap_or(i64::MAX));
        registry.register("http_uploads_waiting", help("http_uploads_waiting"), waiting);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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
    expected_bytes: u64,
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn requests_have_priority_over_responses_and_small_requests_over_large_ones() {
        let budget = Budget::new(FolderLimit::None);
        let mut free_bytes = 400 * MIB;
        let mut fill = |kind, step: u64, one: bool| {
            let mut charges = vec![budget.charge(kind, Place::Disk, 0)];
            loop {
                if !one {
                    charges.push(budget.charge(kind, Place::Disk, 0));
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
        assert_eq!(budget.state().refused, [0, 1], "a request waits before it is refused");
        drop((answers, large, small));
        assert_eq!(used_mib(), 0);
    }

    #[test]
    fn a_runtime_folder_in_memory_is_limited_by_the_container_memory() {
        let budget = Budget::new(FolderLimit::Memory(400 * MIB));
        let mut request = budget.charge(Kind::Request, Place::Disk, 0);
        let space = Space { free_bytes: 64 << 30, total_bytes: 64 << 30 };
        assert!(request.try_add_on_disk(MIB, space));
        assert!(!request.try_add_on_disk(50 * MIB, space));
    }

    #[test]
    fn a_given_size_limits_the_folder_and_its_largest_body() {
        let size = FolderLimit::Size(200 * MIB);
        let budget = Budget::new(size);
        let space = Space { free_bytes: 64 << 30, total_bytes: 64 << 30 };
        assert_eq!(budget.capacity_bytes(space, 0) / MIB, 170);
        // A disk that is nearly full counts, too.
        let full = Space { free_bytes: 10 * MIB, total_bytes: 64 << 30 };
        assert_eq!(budget.capacity_bytes(full, 0) / MIB, 5);
        assert_eq!(size.largest_body_bytes(64 << 30) / MIB, 84);
        assert_eq!(FolderLimit::None.largest_body_bytes(200 * MIB) / MIB, 84);
        assert_eq!(FolderLimit::Memory(400 * MIB).largest_body_bytes(64 << 30) / MIB, 50);
    }

    #[test]
    fn an_upload_begins_only_if_all_of_it_has_room() {
        let budget = Budget::new(FolderLimit::None);
        let space = Space { free_bytes: 100 * MIB, total_bytes: 0 };
        let mut large = budget.charge(Kind::Request, Place::Disk, 51 * MIB);
        assert!(!large.try_add_on_disk(MIB, space), "half of the folder is for large bodies");
        let mut other = budget.charge(Kind::Request, Place::Disk, 49 * MIB);
        assert!(other.try_add_on_disk(MIB, space));
        assert_eq!(budget.state().used_bytes(Place::Disk), MIB, "nothing is reserved");
    }

    #[test]
    fn a_shared_disk_is_not_filled() {
        let budget = Budget::new(FolderLimit::None);
        let capacity = |free_bytes, total_bytes| budget.capacity_bytes(Space { free_bytes, total_bytes }, 0);
        assert_eq!(capacity(100, 100), 85);
        assert_eq!(capacity(60, 100), 45);
        // Nearly full: half of the free space.
        assert_eq!(capacity(10, 100), 5);
    }

    #[test]
    fn requests_and_responses_share_the_memory_limit() {
        let budget = Budget::new(FolderLimit::None);
        let mut request = budget.charge(Kind::Request, Place::Memory, 0);
        let mut answer = budget.charge(Kind::Answer, Place::Memory, 0);
        assert!(answer.try_add_in_memory(MAX_BUFFERED_IN_MEMORY_BYTES - 10));
        assert!(request.try_set_in_memory(10) && !request.try_set_in_memory(11));
        assert!(request.try_set_in_memory(4) && answer.try_add_in_memory(6));
        drop(answer);
        assert_eq!(budget.state().used_bytes(Place::Memory), 4);
    }
}
