//! Limits the response bytes that HTTP/2 connections hold in memory: each may have a hundred streams, for which
//! hyper holds bytes until the client reads them. Each connection has its own share, so that it never waits for
//! other connections; beyond it, all connections share a pool.
//!
//! A body without room waits. Its connection then holds more than its own share, so some of its bytes are in
//! transit, and their release wakes the body.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::bounds::{CONNECTION_OUTFLOW_BYTES, SHARED_OUTFLOW_BYTES};
use crate::status::metrics::help;
use crate::telemetry::log_throttle::LogThrottle;

/// The pool that all connections share.
#[derive(Debug)]
pub struct Pool {
    free_bytes: AtomicI64,
    log_throttle: LogThrottle,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            free_bytes: AtomicI64::new(SHARED_OUTFLOW_BYTES.cast_signed()),
            log_throttle: LogThrottle::default(),
        }
    }
}

impl Pool {
    pub fn register(&self, registry: &mut Registry) {
        let kept_bytes = SHARED_OUTFLOW_BYTES.cast_signed() - self.free_bytes.load(Relaxed);
        let name = "http_streams_kept_bytes";
        registry.register(name, help(name), ConstGauge::new(kept_bytes));
    }

    /// Logs at most once a minute that the pool is used up.
    fn log_exhausted(&self) {
        if self.log_throttle.due(Instant::now()).is_some() {
            tracing::info!(
                event = "web.streams_slowed",
                limit_bytes = SHARED_OUTFLOW_BYTES,
                "HTTP/2 clients do not read their responses, which use all of their memory; further ones wait"
            );
        }
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
        if state.held_bytes < CONNECTION_OUTFLOW_BYTES || self.pool.free_bytes.load(Relaxed) > 0 {
            return Poll::Ready(());
        }
        self.pool.log_exhausted();
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Counts the bytes until the last reference to them is dropped.
    pub fn count(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.change(bytes.len(), |held, length| held + length);
        Bytes::from_owner(CountedBytes { bytes, outflow: self.clone() })
    }

    fn change(&self, length: usize, change: fn(u64, u64) -> u64) {
        let mut state = self.state();
        let before = state.held_bytes;
        state.held_bytes = change(before, length as u64);
        self.pool.free_bytes.fetch_add(pool_share(before) - pool_share(state.held_bytes), Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of the held bytes that comes from the pool.
fn pool_share(held_bytes: u64) -> i64 {
    held_bytes.saturating_sub(CONNECTION_OUTFLOW_BYTES).cast_signed()
}

struct CountedBytes {
    bytes: Bytes,
    outflow: Arc<Outflow>,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for CountedBytes {
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
        assert_eq!(pool.free_bytes.load(Relaxed), SHARED_OUTFLOW_BYTES as i64);
    }
}
