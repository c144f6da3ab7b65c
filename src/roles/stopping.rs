//! gunicorn's stop and reload: the front first has every request answered, then the sleepers are woken.
//!
//! gthread workers sleep in `select` through TERM and HUP until their timeout is over, 30 s by default; any
//! connection wakes them (docs/frappe-contract.md#slow-stop-of-gunicorn). On TERM gunicorn removes its
//! socket's name while the sleepers still listen, so the socket is given a second one before.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::front::Front;
use crate::supervise::hooks::{Hooks, Moment, Stop};

const PAUSES: Backoff = Backoff::doubling(Duration::from_millis(5), Duration::from_millis(100));
/// On a reload gunicorn tells its old workers only when the new ones are there.
const TRIES: u32 = 3_000;

/// The front's part in the end of a gunicorn.
pub struct GunicornHooks {
    pub front: Front,
}

impl Hooks for GunicornHooks {
    /// Ends when the front has no more work for gunicorn; where another is to follow, now or after a hold of
    /// the site, the port stays.
    fn before_stop(&self, stop: Stop) -> Moment {
        let front = self.front.clone();
        Box::pin(async move {
            let socket = front.socket();
            let name = second_name(&socket);
            // Of a gunicorn that has crashed since.
            let _ = fs::remove_file(&name);
            if let Err(error) = fs::hard_link(&socket, &name) {
                tracing::debug!(%error, "gunicorn has no socket yet");
            }
            if stop.for_good && !front.is_on_hold() {
                front.quiesce().await;
            }
        })
    }

    /// Wakes sleeping workers.
    fn after_signal(&self) -> Moment {
        // Nobody is to be sent to a worker that is about to end.
        self.front.renew();
        let socket = self.front.socket();
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
        })
    }
}

fn second_name(socket: &Path) -> PathBuf {
    socket.with_extension("again")
}
