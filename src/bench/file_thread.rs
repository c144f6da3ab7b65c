//! File work on a thread of its own.
//!
//! The executor has one thread, which sends the leader's heartbeats, handles signals and proxies requests. Work on
//! many files (copying, syncing or deleting a tree) takes seconds on a slow disk or a busy machine.

use crate::outcome::{BUG, Fault, Result};

/// Runs the work on a thread of its own. A caller that is dropped does not end the work.
///
/// # Errors
/// The work panicked.
pub async fn on_file_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::new(BUG, format!("work on files: {error}"), "report this as a bug"))
}
