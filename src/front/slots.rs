//! How many HTTP/2 requests are worked on at once: each may hold a file, a connection to gunicorn and memory,
//! and a connection may ask a hundred times at once. Each connection has one slot of its own, as HTTP/1 has, so
//! that no stranger keeps it waiting; what it does beside comes from slots that all connections share. Polls
//! for live events, which wait for the sake of waiting, have slots of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bounds::MOST_WAITING_STREAMS;

/// What all connections share.
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

/// Held while a request is worked on and answered.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    pub fn new(shared: Arc<SharedSlots>) -> Self {
        Self { own: Arc::new(Semaphore::new(1)), shared }
    }

    /// Waits for one; none where too many wait already.
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
        (count.fetch_add(1, Relaxed) < MOST_WAITING_STREAMS).then_some(waiting)
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
    async fn who_takes_all_shared_slots_leaves_each_connection_its_own() {
        let shared = SharedSlots::new(3);
        let (greedy, innocent) = (Slots::new(shared.clone()), Slots::new(shared.clone()));
        let mut held = Vec::new();
        while let Ok(slot) = timeout(Duration::from_secs(1), greedy.take()).await {
            held.push(slot.unwrap());
        }
        assert_eq!(held.len(), 4);
        assert_eq!(shared.waiting.load(Relaxed), 0, "who gave up waits no longer");
        let own = innocent.take().await.unwrap();
        let (next, ()) = tokio::join!(innocent.take(), async { drop(own) });
        assert!(next.is_some());
        shared.waiting.store(MOST_WAITING_STREAMS, Relaxed);
        assert!(innocent.take().await.is_none(), "more than there is memory for");
        assert_eq!(shared.waiting.load(Relaxed), MOST_WAITING_STREAMS);
    }
}
