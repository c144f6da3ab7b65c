//! The timeout of HTTP/2 streams: a client may read from its connection and still give one stream no window. hyper
//! then does not poll the stream's body, so the body cannot end the stream; its task can.
//!
//! ```text
//!   hyper ── a stream's future ──▶ StreamExecutor ── a task: the future, or StreamWait::stalled ──▶ dropped: reset
//!                                                                     ▲
//!   Body: bytes given to hyper: the wait begins. Polled again, or no bytes to give: the wait ends.
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::bounds::{CLIENT_TIMEOUT, CLIENT_TIMEOUT_AT_STOP, MAX_CONSUME_TIME, MIN_CONSUME_BYTES_PER_S};
use super::client_stream::ClientStream;
use super::connection_end::wait_for_stop;
use super::metrics::DropReason;
use super::shared::Shared;

tokio::task_local! {
    static CURRENT: Arc<StreamWait>;
}

/// The time since when a stream has been waiting for its client.
#[derive(Debug, Default)]
pub struct StreamWait(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    since: Option<Instant>,
    sent_bytes: u64,
}

impl State {
    /// How long the client may leave its stream without window. It extends the window when it has processed half of
    /// the bytes that were sent, and a slow client may have been sent a whole window.
    fn timeout(self, is_stopping: bool) -> Duration {
        if is_stopping {
            return CLIENT_TIMEOUT_AT_STOP;
        }
        CLIENT_TIMEOUT + Duration::from_secs(self.sent_bytes / MIN_CONSUME_BYTES_PER_S).min(MAX_CONSUME_TIME)
    }
}

impl StreamWait {
    /// The wait of the stream whose task calls this.
    pub fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }

    pub fn begin_wait(&self, sent_bytes: usize) {
        let mut state = self.state();
        state.since = Some(Instant::now());
        state.sent_bytes += sent_bytes as u64;
    }

    pub fn end_wait(&self) {
        self.state().since = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the client has left the stream without window for too long, although its connection has
    /// nothing more to deliver. A slow connection has its own timeout (connection_end.rs).
    async fn stalled(&self, socket: &ClientStream, mut stop: watch::Receiver<bool>) {
        let mut not_before = Instant::now();
        loop {
            let is_stopping = *stop.borrow();
            let state = *self.state();
            let timeout = state.timeout(is_stopping);
            let due = state
                .since
                .map_or(Instant::now() + CLIENT_TIMEOUT, |since| (since + timeout).max(not_before));
            tokio::select! {
                () = sleep_until(due) => {}
                () = wait_for_stop(&mut stop), if !is_stopping => continue,
            }
            let is_same = state.since.is_some() && self.state().since == state.since;
            if is_same && !socket.has_unacknowledged() {
                return;
            }
            if is_same {
                not_before = Instant::now() + timeout;
            }
        }
    }
}

/// Runs the streams of one connection.
#[derive(Clone)]
pub struct StreamExecutor {
    pub socket: ClientStream,
    pub shared: Arc<Shared>,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let (socket, shared) = (self.socket.clone(), self.shared.clone());
        let wait = Arc::new(StreamWait::default());
        tokio::spawn(CURRENT.scope(wait.clone(), async move {
            tokio::select! {
                biased;
                _ = stream => {}
                () = wait.stalled(&socket, shared.stop.subscribe()) => {
                    shared.metrics.count_drop(DropReason::UnreadAnswer);
                }
            }
        }));
    }
}
