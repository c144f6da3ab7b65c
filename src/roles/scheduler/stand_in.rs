//! Holds the lock of Frappe's scheduler in web containers while a scheduler ticks in another container.
//!
//! Frappe 16's System Health Report calls the scheduler running if a process holds `config/scheduler_process` in the
//! container of the request (docs/frappe-contract.md#scheduler-process). The leader publishes a key with a lease in the
//! queue Redis while it ticks. The web role holds the lock while the key exists, and never while a scheduler process
//! may start in its own container.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use redis::Pipeline;
use tokio::sync::watch;

use crate::config::Config;
use crate::redis_client::Link;
use crate::tick::{self, PERIOD};

/// The lifetime of the key, from its last renewal.
const LEASE: Duration = Duration::from_secs(30);
const RENEWAL: Duration = PERIOD.saturating_mul(2);
const POLL_INTERVAL: Duration = PERIOD.saturating_mul(4);

#[derive(Debug)]
pub struct StandIn {
    /// Frappe's lock file in this container.
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// True while a scheduler process of this pod runs or may start.
    is_child_allowed: bool,
    lock: Option<Flock<File>>,
}

impl StandIn {
    pub fn of(config: &Config) -> Arc<Self> {
        Self::at(config.workers.bench_root.join("config/scheduler_process"))
    }

    fn at(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, state: Mutex::default() })
    }

    /// Called before a scheduler process of this pod may start, and after it was told to stop. While it may run, the
    /// lock is its own.
    pub fn allow_child(&self, allowed: bool) {
        let mut state = self.state();
        state.is_child_allowed = allowed;
        if allowed {
            state.lock = None;
        }
    }

    /// Holds the lock while a scheduler ticks elsewhere, if nobody else in this container does.
    fn apply(&self, ticks_elsewhere: bool) {
        let mut state = self.state();
        if !ticks_elsewhere || state.is_child_allowed {
            state.lock = None;
        } else if state.lock.is_none() {
            let open = || File::options().create(true).truncate(false).write(true).open(&self.path);
            // A read-only folder: Frappe cannot lock there either.
            let Ok(file) = open() else { return };
            state.lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the leader's key until dropped.
    pub async fn follow(self: Arc<Self>, link: Link, key: String) {
        let _released = Released(self.clone());
        loop {
            let mut get = Pipeline::new();
            get.get(&key);
            let leader = link.query::<(Option<String>,)>(&get).await.map(|(leader,)| leader);
            let leader = leader.unwrap_or_else(|error| {
                tracing::debug!(
                    event = "scheduler.leader_not_read",
                    error,
                    "cannot read whether a scheduler ticks"
                );
                None
            });
            self.apply(leader.is_some_and(|leader| leader != identity(&self.path)));
            tick::next(POLL_INTERVAL).await;
        }
    }

    /// Publishes the key while the scheduler of this pod ticks, until dropped.
    pub async fn publish(
        &self,
        link: Link,
        key: String,
        ticks: watch::Receiver<bool>,
    ) -> std::convert::Infallible {
        loop {
            if *ticks.borrow() {
                let mut set = Pipeline::new();
                set.cmd("SET").arg(&key).arg(identity(&self.path)).arg("EX").arg(LEASE.as_secs()).ignore();
                if let Err(error) = link.query::<()>(&set).await {
                    tracing::debug!(
                        event = "scheduler.ticking_not_published",
                        error,
                        "cannot publish that this scheduler ticks"
                    );
                }
            }
            tick::next(RENEWAL).await;
        }
    }
}

/// Releases the lock when the task that follows the key ends.
struct Released(Arc<StandIn>);

impl Drop for Released {
    fn drop(&mut self) {
        self.0.apply(false);
    }
}

/// Identifies a lock file: a web role on the same file as the leader's process must leave it alone.
fn identity(path: &Path) -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match std::fs::metadata(path) {
        Ok(metadata) => format!("{host} {}:{}", metadata.dev(), metadata.ino()),
        Err(_) => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_locked(path: &Path) -> bool {
        let file = File::open(path).unwrap();
        Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
    }

    #[test]
    fn the_lock_is_held_while_a_scheduler_ticks_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scheduler_process");
        let stand_in = StandIn::at(path.clone());
        stand_in.apply(true);
        assert!(is_locked(&path));
        stand_in.apply(false);
        assert!(!is_locked(&path));
        // A child of this pod gets the lock before it starts.
        stand_in.apply(true);
        stand_in.allow_child(true);
        assert!(!is_locked(&path));
        stand_in.apply(true);
        assert!(!is_locked(&path));
        stand_in.allow_child(false);
        stand_in.apply(true);
        assert!(is_locked(&path));
    }

    #[test]
    fn a_lock_of_another_process_and_a_read_only_folder_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scheduler_process");
        let other = Flock::lock(File::create(&path).unwrap(), FlockArg::LockExclusiveNonblock);
        let stand_in = StandIn::at(path.clone());
        stand_in.apply(true);
        drop(other);
        assert!(!is_locked(&path));
        StandIn::at(folder.path().join("absent/scheduler_process")).apply(true);
        assert_ne!(identity(&path), identity(&folder.path().join("absent")));
    }
}
