//! How many files may be open: as many as the system lets us have, for us alone.
//!
//! Our soft limit goes up to the hard one; children get the one that we were started with, since some
//! programs close, or wait on, every descriptor below theirs.

use std::sync::OnceLock;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What we were started with, where it was changed.
static ORIGINAL: OnceLock<libc::rlimit> = OnceLock::new();

/// No front needs more, and the kernel's memory is not ours.
const ENOUGH_FILES: u64 = 65_536;
/// For logs, timers, the database, gunicorn's side, and files on their way.
const RESERVED_FILES: u64 = 128;

/// Raises the limit; gives the connections that fit into it when each asks something of gunicorn and
/// another has a file open.
pub fn most_connections() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let raised = hard.min(ENOUGH_FILES).max(soft);
    let files = match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => {
            ORIGINAL.get_or_init(|| libc::rlimit { rlim_cur: soft, rlim_max: hard });
            raised
        }
        Err(_) => soft,
    };
    usize::try_from(files.saturating_sub(RESERVED_FILES) / 2).unwrap_or(usize::MAX).clamp(16, 30_000)
}

/// For a child, before it becomes a program.
pub fn original_files() -> Option<&'static libc::rlimit> {
    ORIGINAL.get()
}
