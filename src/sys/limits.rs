//! The limit of open files: raised as far as the system allows, for this process alone.
//!
//! Our soft limit is raised to the hard limit. Children get the original one, since some programs close, or wait
//! on, every descriptor below their limit.

use std::sync::OnceLock;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limit at our start, set if we changed it.
static ORIGINAL: OnceLock<libc::rlimit> = OnceLock::new();

/// The web port needs no more, and open files use kernel memory.
const MAX_FILES: u64 = 65_536;
/// Files for logs, timers, the database, connections to gunicorn, and files being sent.
const RESERVED_FILES: u64 = 128;

/// The maximum of concurrent HTTP/2 streams beyond one per connection.
pub const MAX_STREAMS: u64 = 2048;
/// The maximum of connections.
pub const MAX_CONNECTIONS: usize = 30_000;
/// At most 1/16 of the file limit is used for such streams.
const STREAMS_SHARE: u64 = 16;

/// The limits of the web port that fit into the limit of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections, each with a connection to gunicorn or an open file.
    pub connections: usize,
    /// HTTP/2 requests beyond the first of each connection.
    pub streams: usize,
}

/// Raises the limit of open files; returns the connection limits that fit into it.
pub fn raise_open_file_limit() -> ConnectionLimits {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let raised = hard.min(MAX_FILES).max(soft);
    let files = match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => {
            ORIGINAL.get_or_init(|| libc::rlimit { rlim_cur: soft, rlim_max: hard });
            raised
        }
        Err(_) => soft,
    };
    fitting(files)
}

fn fitting(files: u64) -> ConnectionLimits {
    // A stream may have an open file and a connection to gunicorn: two files each, as for a connection.
    let streams = (files / STREAMS_SHARE).min(MAX_STREAMS);
    let connections = (files.saturating_sub(RESERVED_FILES) / 2).saturating_sub(streams);
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    ConnectionLimits {
        connections: number(connections).clamp(16, MAX_CONNECTIONS),
        streams: number(streams).max(16),
    }
}

/// The original limit, for a child to restore before exec.
pub fn original_files() -> Option<&'static libc::rlimit> {
    ORIGINAL.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_streams_fit_into_the_open_files() {
        for files in [1024, 4096, 20_000, 65_536] {
            let limits = fitting(files);
            assert!(
                2 * (limits.connections + limits.streams) as u64 + RESERVED_FILES <= files,
                "{files}: {limits:?}"
            );
            assert!(limits.connections >= 3 * files as usize / 8 - 64, "{files}: {limits:?}");
        }
        assert_eq!(fitting(64), ConnectionLimits { connections: 16, streams: 16 });
    }
}
