//! Limits the requests in progress: a request has a slot, or waits for one, and past a number of waiting requests it is
//! refused.
//!
//! ```text
//!   HTTP/2 stream ─▶ its connection's own slot, or one of those that all connections share   (Slots)
//!   any request   ─▶ a slot in front of gunicorn, from the end of its body to the response's head   (SharedSlots)
//! ```
//!
//! An HTTP/2 connection may send a hundred requests at once, each with a file, a connection to gunicorn and memory.
//! It has one slot of its own, as with HTTP/1, so that no other connection delays it. Long polls for live events have
//! slots of their own, and do not go to gunicorn. WebSockets share these: they keep their connections, which must not be
//! all connections.

use std::sync::Arc;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bounds::{MAX_AT_GUNICORN, MAX_WAITING_FOR_GUNICORN, MAX_WAITING_STREAMS};
use super::tally::Tally;
use crate::status::metrics::{LabelSet, register};
use crate::sys::limits::ConnectionLimits;

/// Held while a request is processed.
pub type Slot = OwnedSemaphorePermit;

/// Slots that several connections share.
#[derive(Debug)]
pub struct SharedSlots {
    limit: usize,
    max_waiting: i64,
    free: Arc<Semaphore>,
    waiting: Tally,
}

impl SharedSlots {
    fn new(limit: usize, max_waiting: i64) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(limit));
        Arc::new(Self { limit, max_waiting, free, waiting: Tally::default() })
    }

    /// A slot, if one is free.
    pub fn try_take(&self) -> Option<Slot> {
        self.free.clone().try_acquire_owned().ok()
    }

    /// Waits for a slot. None if too many requests wait already.
    pub async fn take(&self) -> Option<Slot> {
        if let Some(slot) = self.try_take() {
            return Some(slot);
        }
        let _waiting = self.waiting.begin_below(self.max_waiting)?;
        self.free.clone().acquire_owned().await.ok()
    }
}

/// The slots of all kinds.
#[derive(Debug)]
pub struct AllSlots {
    /// Requests on their way to gunicorn, and those that are held while it is away.
    pub gunicorn: Arc<SharedSlots>,
    pub streams: Arc<SharedSlots>,
    /// WebSockets, and long polls over HTTP/2.
    pub live_events: Arc<SharedSlots>,
}

impl AllSlots {
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            gunicorn: SharedSlots::new(MAX_AT_GUNICORN, MAX_WAITING_FOR_GUNICORN),
            streams: SharedSlots::new(limits.streams, MAX_WAITING_STREAMS),
            // Behind a proxy there are few connections, so the descriptors of the others are free for long polls.
            live_events: SharedSlots::new(limits.connections / 2, MAX_WAITING_STREAMS),
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        let (used, waiting) = (Family::<LabelSet, Gauge>::default(), Family::<LabelSet, Gauge>::default());
        let kinds =
            [("gunicorn", &self.gunicorn), ("streams", &self.streams), ("live_events", &self.live_events)];
        for (kind, slots) in kinds {
            let labels = LabelSet(vec![("kind", kind.to_string())]);
            let taken = slots.limit - slots.free.available_permits();
            used.get_or_create(&labels).set(i64::try_from(taken).unwrap_or(i64::MAX));
            waiting.get_or_create(&labels).set(slots.waiting.0.get());
        }
        register(registry, "http_slots_used", used);
        register(registry, "http_slots_waiting", waiting);
    }
}

/// The slots of one HTTP/2 connection.
#[derive(Clone, Debug)]
pub struct Slots {
    own: Arc<Semaphore>,
    shared: Arc<SharedSlots>,
}

impl Slots {
    pub fn new(shared: Arc<SharedSlots>) -> Self {
        Self { own: Arc::new(Semaphore::new(1)), shared }
    }

    /// Waits for a slot. None if too many requests wait already.
    pub async fn take(&self) -> Option<Slot> {
        // The shared slots first: the own one remains for the connection's next request.
        if let Some(slot) = self.shared.try_take() {
            return Some(slot);
        }
        tokio::select! {
            biased;
            slot = self.own.clone().acquire_owned() => slot.ok(),
            slot = self.shared.take() => slot,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn exhausted_shared_slots_leave_each_connection_its_own() {
        let shared = SharedSlots::new(3, 2);
        let (greedy, other) = (Slots::new(shared.clone()), Slots::new(shared.clone()));
        let mut held = Vec::new();
        while let Ok(slot) = timeout(Duration::from_secs(1), greedy.take()).await {
            held.push(slot.unwrap());
        }
        assert_eq!(held.len(), 4);
        assert_eq!(shared.waiting.0.get(), 0, "a cancelled wait is not counted");
        let own = other.take().await.unwrap();
        let (next, ()) = tokio::join!(other.take(), async { drop(own) });
        assert!(next.is_some());
        let waiting = [shared.waiting.begin(), shared.waiting.begin()];
        assert!(other.take().await.is_none(), "too many requests wait");
        assert_eq!(shared.waiting.0.get(), waiting.len() as i64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_its_turn_and_is_refused_past_the_limit() {
        let slots = SharedSlots::new(1, 1);
        let first = slots.take().await.unwrap();
        let (waited, refused, ()) = tokio::join!(slots.take(), slots.take(), async { drop(first) });
        assert!(waited.is_some() && refused.is_none());
        drop(waited);
        assert!(slots.take().await.is_some());
    }
}
