//! gunicorn's stop and reload: the front first completes all requests, then sleeping workers are woken.
//!
//! gthread workers sleep in `select` through TERM and HUP until their timeout, 30 s by default; any connection
//! wakes them (docs/frappe-contract.md#slow-stop-of-gunicorn). On TERM gunicorn unlinks its socket while sleeping
//! workers still listen on it, so the socket gets a second name before.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::front::Front;
use crate::supervise::hooks::{ChildStop, HookFuture, Hooks};

const RETRY_BACKOFF: Backoff = Backoff::doubling(Duration::from_millis(5), Duration::from_millis(100));
/// Many, because on a reload gunicorn signals its old workers only after the new ones have started.
const MAX_ATTEMPTS: u32 = 3_000;

/// Coordinates the front with the stop of a gunicorn process.
pub struct GunicornHooks {
    pub front: Front,
}

impl Hooks for GunicornHooks {
    /// Waits until the front has no more work for gunicorn. If another gunicorn will follow, now or after the
    /// site's exclusive lock is released, it does not wait, and the port stays open.
    fn before_stop(&self, stop: ChildStop) -> HookFuture {
        let front = self.front.clone();
        Box::pin(async move {
            let socket = front.socket();
            let name = second_name(&socket);
            // A gunicorn that crashed may have left it.
            let _ = fs::remove_file(&name);
            if let Err(error) = fs::hard_link(&socket, &name) {
                tracing::debug!(event = "web.socket_missing", %error, "gunicorn has no socket yet");
            }
            if stop.is_final && !front.is_suspended() {
                front.quiesce().await;
            }
        })
    }

    /// Wakes sleeping workers by connecting to the socket.
    fn after_signal(&self) -> HookFuture {
        // No request should reach a worker that is about to exit.
        self.front.begin_reload();
        let socket = self.front.socket();
        Box::pin(async move {
            let names = [second_name(&socket), socket];
            let mut delays = RETRY_BACKOFF.delays();
            for _ in 0..MAX_ATTEMPTS {
                let pause = delays.next_delay();
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
