//! When a connection ends: by itself, without a request for too long, idle at the limit of connections, because its
//! client does not read, or after its requests once a stop has begun.
//!
//! ```text
//!   Idle ◀──── a head, the last byte of a response ────▶ Busy ── the client does not read ──▶ dropped
//!    │ 75 s without a head, room is needed, a stop        │ a stop
//!    ▼                                                    ▼
//!   Closing: no further request ── its requests are answered, or idle for 5 s ──▶ ended
//! ```

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::bounds::{CLIENT_TIMEOUT_AT_STOP, CLOSE_GRACE, HEAD_TIMEOUT, MIN_RESPONSE_BYTES, POLL_INTERVAL};
use super::client_stream::ClientStream;
use super::client_timeout::ClientTimeout;
use super::conn::{Activity, Conn};
use super::metrics::DropReason;
use super::shared::Shared;

/// Waits until a stop is requested. If the front was dropped, its connections continue to be served.
pub async fn wait_for_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Serves until the connection ends by itself (and returns its result), or has to be dropped.
pub async fn run_to_end<C: Future>(
    mut connection: Pin<&mut C>,
    finish: fn(Pin<&mut C>),
    conn: &Conn,
    socket: &ClientStream,
    shared: &Shared,
    accepted: Instant,
) -> Option<C::Output> {
    let mut stop = shared.stop.subscribe();
    let mut check = pin!(sleep_until(accepted + HEAD_TIMEOUT));
    let mut room = pin!(shared.connections.room_is_needed());
    let mut watch = Watch::new(accepted);
    loop {
        let activity = conn.activity();
        let mut progress = poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if conn.activity() == activity => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        });
        let verdict = tokio::select! {
            biased;
            ended = &mut progress => match ended {
                Some(ended) => return Some(ended),
                None => {
                    // Idle connections wait in the order in which they became idle.
                    room.set(shared.connections.room_is_needed());
                    watch.activity_changed(conn.activity(), check.deadline())
                }
            },
            () = wait_for_stop(&mut stop), if !watch.is_closing => Verdict::Close(None),
            () = room.as_mut(), if activity.is_idle() && !watch.is_closing => {
                Verdict::Close(Some(DropReason::IdleAtLimit))
            }
            () = check.as_mut() => watch.check(activity, socket, shared.is_stopping()),
        };
        match verdict {
            Verdict::CheckAt(at) if at == check.deadline() => {}
            Verdict::CheckAt(at) => check.as_mut().reset(at),
            Verdict::Close(reason) => {
                shared.metrics.count_drop(reason);
                watch.close(socket);
                finish(connection.as_mut());
                check.as_mut().reset(Instant::now() + CLOSE_GRACE);
            }
            Verdict::Drop(reason) => {
                shared.metrics.count_drop(reason);
                return None;
            }
        }
    }
}

/// What is to be done with a connection.
enum Verdict {
    CheckAt(Instant),
    Close(Option<DropReason>),
    Drop(Option<DropReason>),
}

struct Watch {
    idle_since: Instant,
    is_closing: bool,
    reading: ClientTimeout,
    /// The bytes that the client had acknowledged at the last check, if there were others that it had not.
    acknowledged: Option<(u64, Instant)>,
}

impl Watch {
    fn new(accepted: Instant) -> Self {
        let reading = ClientTimeout::new(MIN_RESPONSE_BYTES);
        Self { idle_since: accepted, is_closing: false, reading, acknowledged: None }
    }

    fn activity_changed(&mut self, activity: Activity, check_at: Instant) -> Verdict {
        self.idle_since = Instant::now();
        let soon = self.idle_since + POLL_INTERVAL;
        Verdict::CheckAt(if activity.is_idle() { check_at } else { check_at.min(soon) })
    }

    fn check(&mut self, activity: Activity, socket: &ClientStream, is_stopping: bool) -> Verdict {
        let now = Instant::now();
        if activity.is_idle() {
            self.acknowledged = None;
            let head_deadline = self.idle_since + HEAD_TIMEOUT;
            return match () {
                () if self.is_closing => Verdict::Drop(None),
                () if now < head_deadline => Verdict::CheckAt(head_deadline),
                () if activity.is_unused() => Verdict::Close(Some(DropReason::NoHead)),
                () => Verdict::Close(Some(DropReason::Idle)),
            };
        }
        self.record_progress(socket, now, is_stopping);
        if self.reading.is_expired(is_stopping) {
            socket.reset_on_close();
            return Verdict::Drop(Some(DropReason::UnreadAnswer));
        }
        Verdict::CheckAt(now + if is_stopping { CLIENT_TIMEOUT_AT_STOP } else { POLL_INTERVAL })
    }

    /// Only the time in which the client has something to read counts.
    fn record_progress(&mut self, socket: &ClientStream, now: Instant, is_stopping: bool) {
        let Some(acknowledged) = socket.acknowledged_of_more() else {
            (self.reading, self.acknowledged) = (ClientTimeout::new(MIN_RESPONSE_BYTES), None);
            return;
        };
        if let Some((before, since)) = self.acknowledged.replace((acknowledged, now)) {
            self.reading.record(acknowledged.saturating_sub(before), now - since, is_stopping);
        }
    }

    fn close(&mut self, socket: &ClientStream) {
        self.is_closing = true;
        self.record_progress(socket, Instant::now(), false);
    }
}
