//! gunicorn's stop and reload: the front first has every request answered, then the sleepers are woken.
//!
//! gthread workers sleep in `select` through TERM and HUP until their timeout is over, 30 s by default;
//! any connection wakes them (FRAPPE.md, Web). On TERM gunicorn removes its socket's name while the
//! sleepers still listen, so the socket is given a second one before.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::front::Front;
use crate::supervise::run_service::{AfterSignal, BeforeStop};

const PAUSES: Backoff = Backoff::doubling(Duration::from_millis(5), Duration::from_millis(100));
/// On a reload gunicorn tells its old workers only when the new ones are there.
const TRIES: u32 = 3_000;

/// Wakes sleeping workers. Ends when it is dropped.
pub fn after_signal(front: &Front) -> AfterSignal {
    let front = front.clone();
    Arc::new(move |_| {
        // Nobody is to be sent to a worker that is about to end.
        front.renew();
        let socket = front.socket();
        Box::pin(async move {
            let names = [second_name(&socket), socket];
            let mut pauses = PAUSES.delays();
            for _ in 0..TRIES {
                let pause = pauses.next_delay();
                for name in &names {
                    let _ = timeout(pause, UnixStream::connect(name)).await;
                }
                sleep(pause).await;
            }
        }) as Pin<Box<dyn Future<Output = ()> + Send>>
    })
}

/// Ends when the front has no more work for gunicorn; where another is to follow, now or after a hold of
/// the site, the port stays.
pub fn before_stop(front: &Front) -> BeforeStop {
    let front = front.clone();
    Arc::new(move |for_good| {
        let front = front.clone();
        Box::pin(async move {
            let socket = front.socket();
            let name = second_name(&socket);
            // Of a gunicorn that has crashed since.
            let _ = fs::remove_file(&name);
            if let Err(error) = fs::hard_link(&socket, &name) {
                tracing::debug!(%error, "gunicorn has no socket yet");
            }
            if for_good && !front.is_on_hold() {
                front.quiesce().await;
            }
        })
    })
}

fn second_name(socket: &Path) -> PathBuf {
    socket.with_extension("again")
}
