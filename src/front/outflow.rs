//! How much of their answers HTTP/2 connections hold in memory: each may have a hundred streams, of which hyper
//! holds bytes until the client takes them. A connection has a share of its own, so that nobody's answer waits
//! for a stranger; what it needs beyond comes from a pool that all of them share.
//!
//! A body that finds no room waits. Its connection then holds more than its own share, so that something of it
//! is on its way, and what comes free wakes the body.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::bounds::{CONNECTION_OUTFLOW_BYTES, SHARED_OUTFLOW_BYTES};

/// What all connections share.
#[derive(Debug)]
pub struct Pool {
    left_bytes: AtomicI64,
}

impl Default for Pool {
    fn default() -> Self {
        Self { left_bytes: AtomicI64::new(SHARED_OUTFLOW_BYTES.cast_signed()) }
    }
}

/// What one connection holds.
#[derive(Debug)]
pub struct Outflow {
    pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held_bytes: u64,
    waiting: Vec<Waker>,
}

impl Outflow {
    pub fn new(pool: Arc<Pool>) -> Arc<Self> {
        Arc::new(Self { pool, state: Mutex::default() })
    }

    /// Waits until one more chunk may be held.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.held_bytes < CONNECTION_OUTFLOW_BYTES || self.pool.left_bytes.load(Relaxed) > 0 {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The same bytes, counted until the last of their holders lets go.
    pub fn count(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.change(bytes.len(), |held, length| held + length);
        Bytes::from_owner(Held { bytes, outflow: self.clone() })
    }

    fn change(&self, length: usize, change: fn(u64, u64) -> u64) {
        let mut state = self.state();
        let before = state.held_bytes;
        state.held_bytes = change(before, length as u64);
        self.pool.left_bytes.fetch_add(beyond(before) - beyond(state.held_bytes), Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the pool has to give to a connection that holds so much.
fn beyond(held_bytes: u64) -> i64 {
    held_bytes.saturating_sub(CONNECTION_OUTFLOW_BYTES).cast_signed()
}

struct Held {
    bytes: Bytes,
    outflow: Arc<Outflow>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.outflow.change(self.bytes.len(), |held, length| held - length);
        let waiting = std::mem::take(&mut self.outflow.state().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: usize = CONNECTION_OUTFLOW_BYTES as usize;

    fn has_room(outflow: &Outflow) -> bool {
        outflow.poll_room(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_spent_pool_leaves_each_connection_its_own_share() {
        let pool = Arc::new(Pool::default());
        let (greedy, innocent) = (Outflow::new(pool.clone()), Outflow::new(pool.clone()));
        let all = greedy.count(vec![0; OWN + SHARED_OUTFLOW_BYTES as usize].into());
        assert!(!has_room(&greedy) && has_room(&innocent));
        let own = innocent.count(vec![0; OWN].into());
        assert!(!has_room(&innocent));
        // A part of it is held as all of it is.
        let part = own.slice(..1);
        drop(own);
        assert!(!has_room(&innocent));
        drop(part);
        assert!(has_room(&innocent));
        drop(all);
        assert!(has_room(&greedy));
        assert_eq!(pool.left_bytes.load(Relaxed), SHARED_OUTFLOW_BYTES as i64);
    }
}
