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

/// HTTP/2 asks for more than one thing at once: no more in all, and no more than this part of the limit.
const MOST_STREAMS: u64 = 2048;
const STREAMS_PART: u64 = 16;

/// What a front may have at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// When each asks something of gunicorn and another has a file open.
    pub connections: usize,
    /// Requests by HTTP/2 beside the first of each connection.
    pub streams: usize,
}

/// Raises the limit of open files; gives what fits into it.
pub fn most() -> Most {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let raised = hard.min(ENOUGH_FILES).max(soft);
    let files = match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => {
            ORIGINAL.get_or_init(|| libc::rlimit { rlim_cur: soft, rlim_max: hard });
            raised
        }
        Err(_) => soft,
    };
    fitting(files)
}

fn fitting(files: u64) -> Most {
    // A stream may have a file and ask gunicorn: two each, as a connection.
    let streams = (files / STREAMS_PART).min(MOST_STREAMS);
    let connections = (files.saturating_sub(RESERVED_FILES) / 2).saturating_sub(streams);
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Most { connections: number(connections).clamp(16, 30_000), streams: number(streams).max(16) }
}

/// For a child, before it becomes a program.
pub fn original_files() -> Option<&'static libc::rlimit> {
    ORIGINAL.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_streams_fit_into_the_open_files() {
        for files in [1024, 4096, 20_000, 65_536] {
            let most = fitting(files);
            assert!(
                2 * (most.connections + most.streams) as u64 + RESERVED_FILES <= files,
                "{files}: {most:?}"
            );
            assert!(most.connections >= 3 * files as usize / 8 - 64, "{files}: {most:?}");
        }
        assert_eq!(fitting(64), Most { connections: 16, streams: 16 });
    }
}
