//! A client that keeps its connection and has nothing to say for a while costs no buffers: hyper's part of
//! the connection is ended, the socket is kept, and hyper begins anew with the next byte.
//!
//! ```text
//!   Silent ── a byte ──▶ Speaking ── 5 s without a request, nothing half read ──▶ Silent
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Longer than a page takes to ask for all that it needs.
pub const AFTER: Duration = Duration::from_secs(5);

/// What a connection has been doing.
#[derive(Debug, Default)]
pub struct Activity {
    reads: AtomicU64,
    /// The last bytes that were read end a head: hyper holds no part of another request.
    ends_with_head: AtomicBool,
    at_work: AtomicUsize,
    begun: AtomicU64,
    is_parked: AtomicBool,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct AtWork(Arc<Activity>);

impl Activity {
    pub fn has_read(&self, bytes: &[u8]) {
        self.reads.fetch_add(1, Relaxed);
        self.ends_with_head.store(bytes.ends_with(b"\r\n\r\n"), Relaxed);
    }

    pub fn work(self: &Arc<Self>) -> AtWork {
        self.at_work.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        AtWork(self.clone())
    }

    /// How many requests have come.
    pub fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Whether no request is being answered.
    pub fn is_at_rest(&self) -> bool {
        self.at_work.load(Relaxed) == 0
    }

    /// Whether no request has come since the last call, nor is being answered.
    pub fn is_idle_since(&self, seen: &mut u64) -> bool {
        let begun = self.begun();
        std::mem::replace(seen, begun) == begun && self.is_at_rest()
    }

    /// Whether nothing happened since the last call, nor is to happen without a byte from the client.
    pub fn is_silent_since(&self, seen: &mut u64) -> bool {
        let reads = self.reads.load(Relaxed);
        let is_same = std::mem::replace(seen, reads) == reads;
        is_same && self.ends_with_head.load(Relaxed) && self.at_work.load(Relaxed) == 0
    }

    /// From now on the end of hyper's connection is not the client's.
    pub fn park(&self) {
        self.is_parked.store(true, Relaxed);
    }

    pub fn is_parked(&self) -> bool {
        self.is_parked.load(Relaxed)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_said_all_and_heard_all_is_silent() {
        let activity = Arc::new(Activity::default());
        let mut seen = 0;
        activity.has_read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(!activity.is_silent_since(&mut seen), "it spoke just now");
        let work = activity.work();
        assert!(!activity.is_silent_since(&mut seen), "it waits for an answer");
        drop(work);
        assert!(activity.is_silent_since(&mut seen));
        activity.has_read(b"GET / HT");
        assert!(!activity.is_silent_since(&mut seen) && !activity.is_silent_since(&mut seen), "half a head");
    }
}
