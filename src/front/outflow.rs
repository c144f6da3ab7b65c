//! Limits the response bytes that HTTP/2 connections hold in memory: each may have a hundred streams, for which
//! hyper holds bytes until the client reads them. Each connection has its own share, so that it never waits for
//! other connections; beyond it, all connections share a pool.
//!
//! A body without room waits. Its connection then holds more than its own share, so some of its bytes are in
//! transit, and their release wakes the body.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::bounds::{CONNECTION_OUTFLOW_BYTES, SHARED_OUTFLOW_BYTES};
use crate::buffers::keeping::keeping;
use crate::status::metrics::register;
use crate::telemetry::log_throttle::LogThrottle;

/// The pool that all connections share.
#[derive(Debug, Default)]
pub struct Pool {
    kept_bytes: Gauge,
    log_throttle: LogThrottle,
}

impl Pool {
    pub fn register(&self, registry: &mut Registry) {
        register(registry, "http_streams_kept_bytes", self.kept_bytes.clone());
    }

    /// True if it has room. If not, logs at most once a minute that it is used up.
    fn has_room(&self) -> bool {
        let has_room = self.kept_bytes.get() < SHARED_OUTFLOW_BYTES.cast_signed();
        if !has_room && self.log_throttle.due(Instant::now()).is_some() {
            tracing::info!(
                event = "web.streams_slowed",
                limit_bytes = SHARED_OUTFLOW_BYTES,
                "HTTP/2 clients do not read their responses, which use all of their memory; further ones wait"
            );
        }
        has_room
    }
}

/// The response bytes that one connection holds.
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

    /// Ready when the connection may hold one more chunk.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.held_bytes < CONNECTION_OUTFLOW_BYTES || self.pool.has_room() {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Counts the bytes until the last reference to them is dropped.
    pub fn count(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let length = bytes.len() as u64;
        self.change(|held_bytes| held_bytes + length);
        keeping(bytes, Counted { outflow: self.clone(), length })
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        let mut state = self.state();
        let before = state.held_bytes;
        state.held_bytes = change(before);
        self.pool.kept_bytes.inc_by(pool_share(state.held_bytes) - pool_share(before));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of the held bytes that comes from the pool.
fn pool_share(held_bytes: u64) -> i64 {
    held_bytes.saturating_sub(CONNECTION_OUTFLOW_BYTES).cast_signed()
}

/// Bytes that are counted, until it is dropped.
struct Counted {
    outflow: Arc<Outflow>,
    length: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.outflow.change(|held_bytes| held_bytes - self.length);
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
    fn an_exhausted_pool_leaves_each_connection_its_own_share() {
        let pool = Arc::new(Pool::default());
        let (greedy, other) = (Outflow::new(pool.clone()), Outflow::new(pool.clone()));
        let all = greedy.count(vec![0; OWN + SHARED_OUTFLOW_BYTES as usize].into());
        assert!(!has_room(&greedy) && has_room(&other));
        let own = other.count(vec![0; OWN].into());
        assert!(!has_room(&other));
        // A slice keeps all of the bytes in memory.
        let part = own.slice(..1);
        drop(own);
        assert!(!has_room(&other));
        drop(part);
        assert!(has_room(&other));
        drop(all);
        assert!(has_room(&greedy));
        assert_eq!(pool.kept_bytes.get(), 0);
    }
}
