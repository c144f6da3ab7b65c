//! Limits the HTTP/2 requests in progress: each may hold a file, a connection to gunicorn and memory, and a
//! connection may send a hundred at once. Each connection has one slot of its own, as with HTTP/1, so that no other
//! connection delays it; its further requests use slots that all connections share. Long polls for live events have
//! slots of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bounds::MAX_WAITING_STREAMS;

/// The slots that all connections share.
#[derive(Debug)]
pub struct SharedSlots {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl SharedSlots {
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(count)), waiting: AtomicUsize::new(0) })
    }
}

/// The slots of one connection.
#[derive(Clone, Debug)]
pub struct Slots {
    own: Arc<Semaphore>,
    shared: Arc<SharedSlots>,
}

/// Held while a request is processed and answered.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub fn new(shared: Arc<SharedSlots>) -> Self {
        Self { own: Arc::new(Semaphore::new(1)), shared }
    }

    /// Waits for a slot. None if too many requests wait already.
    pub async fn take(&self) -> Option<Slot> {
        for slots in [&self.shared.free, &self.own] {
            if let Ok(permit) = slots.clone().try_acquire_owned() {
                return Some(Slot { _permit: permit });
            }
        }
        let _waiting = Waiting::begin(&self.shared.waiting)?;
        let permit = tokio::select! {
            permit = self.own.clone().acquire_owned() => permit,
            permit = self.shared.free.clone().acquire_owned() => permit,
        };
        permit.ok().map(|permit| Slot { _permit: permit })
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Relaxed) < MAX_WAITING_STREAMS).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn exhausted_shared_slots_leave_each_connection_its_own() {
        let shared = SharedSlots::new(3);
        let (greedy, other) = (Slots::new(shared.clone()), Slots::new(shared.clone()));
        let mut held = Vec::new();
        while let Ok(slot) = timeout(Duration::from_secs(1), greedy.take()).await {
            held.push(slot.unwrap());
        }
        assert_eq!(held.len(), 4);
        assert_eq!(shared.waiting.load(Relaxed), 0, "a cancelled wait is not counted");
        let own = other.take().await.unwrap();
        let (next, ()) = tokio::join!(other.take(), async { drop(own) });
        assert!(next.is_some());
        shared.waiting.store(MAX_WAITING_STREAMS, Relaxed);
        assert!(other.take().await.is_none(), "too many requests wait");
        assert_eq!(shared.waiting.load(Relaxed), MAX_WAITING_STREAMS);
    }
}
