//! When a connection ends: by itself, without a request, idle for too long, idle at the limit of connections, or
//! after its requests once a stop has begun.

use std::pin::Pin;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::bounds::{CLOSE_GRACE, HEAD_TIMEOUT};
use super::metrics::DropReason;
use super::parking::{self, Activity};
use super::shared::Shared;

/// Waits until a stop is requested. If the front was dropped, its connections continue to be served.
pub async fn wait_for_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Serves until the connection ends or can be parked. Returns true if it can be parked.
pub async fn run_until_parkable<C>(
    connection: C,
    finish: fn(Pin<&mut C>),
    activity: &Activity,
    shared: &Shared,
    head_deadline: Instant,
) -> hyper::Result<bool>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = std::pin::pin!(connection);
    let mut stop = shared.stop.subscribe();
    let mut seen = 0;
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended.map(|()| false),
            () = wait_for_stop(&mut stop) => {
                finish(connection.as_mut());
                return connection.await.map(|()| false);
            }
            () = sleep(parking::PARK_AFTER) => {}
        }
        if activity.requests_begun() == 0 && Instant::now() >= head_deadline {
            shared.metrics.count_drop(DropReason::NoHead);
            return Ok(false);
        }
        if activity.is_parkable_since(&mut seen) {
            activity.park();
            finish(connection.as_mut());
            return connection.await.map(|()| true);
        }
    }
}

/// Serves until the connection ends by itself (and returns its result), was idle for too long, or has finished its
/// requests after a stop began.
pub async fn run_to_end<C: Future>(
    connection: C,
    finish: fn(Pin<&mut C>),
    activity: &Activity,
    shared: &Shared,
    head_deadline: Instant,
) -> Option<C::Output> {
    let mut connection = std::pin::pin!(connection);
    let mut stop = shared.stop.subscribe();
    let (mut seen, mut check_at, mut was_asked) = (0, head_deadline, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return Some(ended),
            () = wait_for_stop(&mut stop) => break,
            () = shared.connections.room_is_needed(), if !was_asked => {
                if activity.is_idle() {
                    shared.metrics.count_drop(DropReason::IdleAtLimit);
                    break;
                }
                was_asked = true;
                continue;
            }
            () = sleep_until(check_at) => was_asked = false,
        }
        if activity.is_idle_since(&mut seen) {
            if seen == 0 {
                shared.metrics.count_drop(DropReason::NoHead);
            }
            break;
        }
        check_at = Instant::now() + HEAD_TIMEOUT;
    }
    finish(connection.as_mut());
    // A client that gives a stream no window, or never completes its first request, does not end the connection.
    loop {
        tokio::select! {
            ended = connection.as_mut() => return Some(ended),
            () = sleep(CLOSE_GRACE) => {}
        }
        if activity.is_idle() {
            return None;
        }
    }
}
