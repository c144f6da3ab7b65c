//! Parks idle HTTP/1 connections, so that they hold no buffers: hyper's part of the connection is ended, the socket
//! is kept, and the next byte starts a new hyper connection.
//!
//! ```text
//!   Parked ── a byte ──▶ Active ── 5 s without a request, no partial request ──▶ Parked
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Longer than a page takes to request everything that it needs.
pub const PARK_AFTER: Duration = Duration::from_secs(5);

/// The activity of a connection.
#[derive(Debug, Default)]
pub struct Activity {
    reads: AtomicU64,
    /// True if the last read ended with a complete head: hyper holds no part of another request.
    ends_with_head: AtomicBool,
    active: AtomicUsize,
    requests_begun: AtomicU64,
    is_parked: AtomicBool,
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub struct ActiveRequest(Arc<Activity>);

impl Activity {
    pub fn has_read(&self, bytes: &[u8]) {
        self.reads.fetch_add(1, Relaxed);
        self.ends_with_head.store(bytes.ends_with(b"\r\n\r\n"), Relaxed);
    }

    pub fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        self.active.fetch_add(1, Relaxed);
        self.requests_begun.fetch_add(1, Relaxed);
        ActiveRequest(self.clone())
    }

    /// The number of requests that have begun.
    pub fn requests_begun(&self) -> u64 {
        self.requests_begun.load(Relaxed)
    }

    /// True if no request is in progress.
    pub fn is_idle(&self) -> bool {
        self.active.load(Relaxed) == 0
    }

    /// True if no request has begun since the last call, and none is in progress.
    pub fn is_idle_since(&self, seen: &mut u64) -> bool {
        let requests_begun = self.requests_begun();
        std::mem::replace(seen, requests_begun) == requests_begun && self.is_idle()
    }

    /// True if nothing was read since the last call, and nothing can happen without a byte from the client.
    pub fn is_parkable_since(&self, seen: &mut u64) -> bool {
        let reads = self.reads.load(Relaxed);
        let is_same = std::mem::replace(seen, reads) == reads;
        is_same && self.ends_with_head.load(Relaxed) && self.active.load(Relaxed) == 0
    }

    /// Marks the connection as parked: the end of hyper's connection does not shut down the socket.
    pub fn park(&self) {
        self.is_parked.store(true, Relaxed);
    }

    pub fn is_parked(&self) -> bool {
        self.is_parked.load(Relaxed)
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_with_a_partial_or_running_request_is_not_parkable() {
        let activity = Arc::new(Activity::default());
        let mut seen = 0;
        activity.has_read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(!activity.is_parkable_since(&mut seen), "bytes were just read");
        let request = activity.begin_request();
        assert!(!activity.is_parkable_since(&mut seen), "a request is in progress");
        drop(request);
        assert!(activity.is_parkable_since(&mut seen));
        activity.has_read(b"GET / HT");
        assert!(
            !activity.is_parkable_since(&mut seen) && !activity.is_parkable_since(&mut seen),
            "a partial head"
        );
    }
}
