//! HTTP/2 streams whose bytes have to be taken: a client may keep its connection flowing and still give one
//! stream no room. hyper asks such a stream's body for nothing, so the body cannot end it; its task can.
//!
//! ```text
//!   hyper ── a stream's future ──▶ Streams ── a task: the future, or Turn::is_stuck ──▶ dropped: reset
//!                                                          ▲
//!   Body: bytes given: the client's turn. Asked again, or none to give: ours.
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::bounds::{LONGEST_DIGESTION, PATIENCE, PATIENCE_AT_STOP, SLOW_BYTES_PER_S};
use super::connection::stopped;
use super::metrics::LetGo;
use super::paced::Delivery;
use super::shared::Shared;

tokio::task_local! {
    static CURRENT: Arc<Turn>;
}

/// Since when a stream has been waiting for its client.
#[derive(Debug, Default)]
pub struct Turn(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    since: Option<Instant>,
    given_bytes: u64,
}

impl State {
    /// How long the client may leave its stream without room. It gives room again when it has worked off half
    /// of what it was given, and a slow one was given whatever its window held.
    fn patience(self, is_stopping: bool) -> Duration {
        if is_stopping {
            return PATIENCE_AT_STOP;
        }
        PATIENCE + Duration::from_secs(self.given_bytes / SLOW_BYTES_PER_S).min(LONGEST_DIGESTION)
    }
}

impl Turn {
    /// Of the stream whose task asks.
    pub fn of_this_stream() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    pub fn is_the_clients(&self, given_bytes: usize) {
        let mut state = self.state();
        state.since = Some(Instant::now());
        state.given_bytes += given_bytes as u64;
    }

    pub fn is_ours(&self) {
        self.state().since = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the client has left the stream without room for too long, although its connection has
    /// nothing more to deliver: where that is slow, it is the connection that is waited for (paced.rs).
    async fn is_stuck(&self, delivery: &Delivery, mut stop: watch::Receiver<bool>) {
        let mut not_before = Instant::now();
        loop {
            let is_stopping = *stop.borrow();
            let state = *self.state();
            let patience = state.patience(is_stopping);
            let due =
                state.since.map_or(Instant::now() + PATIENCE, |since| (since + patience).max(not_before));
            tokio::select! {
                () = sleep_until(due) => {}
                () = stopped(&mut stop), if !is_stopping => continue,
            }
            let is_same = state.since.is_some() && self.state().since == state.since;
            if is_same && !delivery.is_under_way() {
                return;
            }
            if is_same {
                not_before = Instant::now() + patience;
            }
        }
    }
}

/// Runs the streams of one connection.
#[derive(Clone)]
pub struct Streams {
    pub delivery: Arc<Delivery>,
    pub shared: Arc<Shared>,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (delivery, shared) = (self.delivery.clone(), self.shared.clone());
        let turn = Arc::new(Turn::default());
        tokio::spawn(CURRENT.scope(turn.clone(), async move {
            tokio::select! {
                biased;
                _ = stream => {}
                () = turn.is_stuck(&delivery, shared.stop.subscribe()) => {
                    shared.metrics.let_go(LetGo::UnreadAnswer);
                }
            }
        }));
    }
}
