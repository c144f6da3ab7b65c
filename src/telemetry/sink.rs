//! Our own stdout and stderr. One thread for each stream writes to it and may block; no other code does
//! (docs/hazards.md#unread-output).
//!
//! Up to [`PENDING_MAX_BYTES`] are kept for a reader that stalls for a moment. Above that, whole records are dropped
//! and counted. The end of the process waits only briefly for the last records ([`flush`]).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::recent;
use crate::sys::descriptor;

/// Maximum size of the pending records of a stream.
const PENDING_MAX_BYTES: usize = 1024 * 1024;
/// Bounds the memory for short records, whose size in the queue is more than their bytes.
const PENDING_MAX_RECORDS: usize = 8192;
/// The writer thread only writes, so a small stack is enough.
const STACK_BYTES: usize = 64 * 1024;
const FLUSH_POLL_INTERVAL: Duration = Duration::from_millis(2);

static STDOUT: OnceLock<Sink> = OnceLock::new();
static STDERR: OnceLock<Sink> = OnceLock::new();

/// The sink of fd 1.
pub fn stdout() -> &'static Sink {
    STDOUT.get_or_init(|| Sink::start(io::stdout().as_fd()))
}

/// The sink of fd 2.
pub fn stderr() -> &'static Sink {
    STDERR.get_or_init(|| Sink::start(io::stderr().as_fd()))
}

fn opened() -> impl Iterator<Item = &'static Sink> {
    [&STDOUT, &STDERR].into_iter().filter_map(OnceLock::get)
}

/// Returns the number of dropped records of both streams.
pub fn dropped() -> u64 {
    opened().map(Sink::dropped).sum()
}

/// Blocks until everything is written, but no longer than `within`. Called before the process ends or executes another
/// program.
pub fn flush(within: Duration) {
    let end = Instant::now() + within;
    for sink in opened() {
        while !sink.is_flushed() && Instant::now() < end {
            std::thread::sleep(FLUSH_POLL_INTERVAL);
        }
    }
}

/// One descriptor, and the thread that writes to it.
pub struct Sink {
    /// None if no thread can be started. The caller then writes to `direct`.
    records: Option<SyncSender<Vec<u8>>>,
    direct: Option<OwnedFd>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Bytes that are queued and not yet written.
    pending_bytes: AtomicUsize,
    dropped: AtomicU64,
}

impl Sink {
    fn start(fd: BorrowedFd<'_>) -> Self {
        let counts = Arc::<Counts>::default();
        let records = fd.try_clone_to_owned().ok().and_then(|fd| spawn(fd, counts.clone()));
        let direct = if records.is_none() { fd.try_clone_to_owned().ok() } else { None };
        Self { records, direct, counts }
    }

    /// Queues one record (a whole line). Never blocks, except if the writer thread could not be started.
    pub fn write_record(&self, record: &[u8]) {
        recent::keep(record);
        let is_accepted = match (&self.records, &self.direct) {
            (Some(records), _) => self.queue(records, record),
            (None, Some(fd)) => descriptor::write_all(fd.as_fd(), record).is_ok(),
            (None, None) => false,
        };
        if !is_accepted {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns false if the queue is full.
    fn queue(&self, records: &SyncSender<Vec<u8>>, record: &[u8]) -> bool {
        let pending = &self.counts.pending_bytes;
        if pending.fetch_add(record.len(), Ordering::AcqRel) + record.len() <= PENDING_MAX_BYTES
            && records.try_send(record.to_vec()).is_ok()
        {
            return true;
        }
        pending.fetch_sub(record.len(), Ordering::AcqRel);
        false
    }

    fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    fn is_flushed(&self) -> bool {
        self.counts.pending_bytes.load(Ordering::Acquire) == 0
    }
}

fn spawn(fd: OwnedFd, counts: Arc<Counts>) -> Option<SyncSender<Vec<u8>>> {
    let (sender, records) = sync_channel::<Vec<u8>>(PENDING_MAX_RECORDS);
    let write = move || {
        for record in records {
            // A new reader may open a named pipe, so a failed write does not end the thread.
            if descriptor::write_all(fd.as_fd(), &record).is_err() {
                counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
            counts.pending_bytes.fetch_sub(record.len(), Ordering::AcqRel);
        }
    };
    let thread = std::thread::Builder::new().name("output".into()).stack_size(STACK_BYTES).spawn(write);
    thread.is_ok().then_some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// Writes far more than a pipe and the queue can hold, and returns the number of accepted bytes.
    fn flood(sink: &Sink) -> u64 {
        let begin = Instant::now();
        for _ in 0..5000 {
            sink.write_record(&[b'x'; 1000]);
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "blocked");
        let dropped = sink.dropped();
        assert!(dropped > 3000, "{dropped} dropped: the bound does not hold");
        (5000 - dropped) * 1000
    }

    #[test]
    fn a_stalled_reader_gets_what_was_queued_and_the_rest_is_counted() {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = Sink::start(writer.as_fd());
        let mut received = vec![0; usize::try_from(flood(&sink)).unwrap()];
        assert!(!sink.is_flushed());
        reader.read_exact(&mut received).unwrap();
        // The thread counts the last bytes only after they can be read.
        while !sink.is_flushed() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_stalled_socket_does_not_block_either() {
        let (_reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        flood(&Sink::start(writer.as_fd()));
    }

    #[test]
    fn without_a_reader_each_record_is_dropped() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let sink = Sink::start(writer.as_fd());
        sink.write_record(b"x\n");
        while !sink.is_flushed() {
            std::thread::yield_now();
        }
        assert_eq!(sink.dropped(), 1);
    }

    /// A child may make the open file description that it shares with us non-blocking (node does).
    #[test]
    fn a_full_nonblocking_descriptor_loses_nothing() {
        let (mut reader, writer) = io::pipe().unwrap();
        nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
        let sink = Sink::start(writer.as_fd());
        for _ in 0..500 {
            sink.write_record(&[b'x'; 1000]);
        }
        let mut received = vec![0; 500_000];
        reader.read_exact(&mut received).unwrap();
        assert_eq!(sink.dropped(), 0);
    }

    #[test]
    fn without_a_thread_the_caller_writes() {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = Sink { records: None, direct: Some(writer.into()), counts: Arc::default() };
        sink.write_record(b"line\n");
        drop(sink);
        let mut received = String::new();
        reader.read_to_string(&mut received).unwrap();
        assert_eq!(received, "line\n");
    }
}
