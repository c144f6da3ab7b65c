//! Our own stdout and stderr, written without ever blocking the loop (HAZARDS 8).
//!
//! A reader that stalls for a moment finds everything later: up to [`PENDING_MAX_BYTES`] wait for it.
//! Beyond that whole records are dropped and counted.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::sink_thread::SinkThread;
use crate::sys::descriptor::{self, Kind};

/// What waits for a reader at most.
pub const PENDING_MAX_BYTES: usize = 1024 * 1024;

static STDOUT: OnceLock<Sink> = OnceLock::new();
static STDERR: OnceLock<Sink> = OnceLock::new();

/// The sink of fd 1.
pub fn stdout() -> Sink {
    STDOUT.get_or_init(|| Sink::open(io::stdout().as_fd())).clone()
}

/// The sink of fd 2.
pub fn stderr() -> Sink {
    STDERR.get_or_init(|| Sink::open(io::stderr().as_fd())).clone()
}

/// Opens both now: later /proc/self/fd may be closed to us.
pub fn open() {
    let _ = (stdout(), stderr());
}

/// Records that nobody took, on both.
pub fn dropped() -> u64 {
    [&STDOUT, &STDERR].iter().filter_map(|sink| sink.get()).map(Sink::dropped).sum()
}

/// Gives a slow reader a last chance, for so long at most.
pub async fn flush(within: Duration) {
    let end = Instant::now() + within;
    for sink in [&STDOUT, &STDERR].iter().filter_map(|sink| sink.get()) {
        while !sink.is_flushed() && Instant::now() < end {
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// One descriptor; cheap to clone.
#[derive(Clone)]
pub struct Sink {
    shared: Arc<Shared>,
}

struct Shared {
    way: Way,
    queue: Mutex<Queue>,
    dropped: AtomicU64,
}

/// How bytes get out.
enum Way {
    /// Writes that do not block: a descriptor of our own.
    Write(OwnedFd),
    /// A socket cannot be reopened, but can be told not to wait.
    Send(OwnedFd),
    /// Neither is possible: somebody else has to wait.
    Thread(SinkThread),
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<u8>,
    /// A task waits for the reader.
    flushing: bool,
}

impl Sink {
    fn open(fd: BorrowedFd<'_>) -> Self {
        let way = match descriptor::kind(fd) {
            Kind::File => fd.try_clone_to_owned().map(Way::Write),
            Kind::Socket => fd.try_clone_to_owned().map(Way::Send),
            Kind::Reopenable => descriptor::reopen(fd).map(Way::Write),
        };
        let way = way.unwrap_or_else(|_| Way::Thread(SinkThread::start(fd)));
        Self { shared: Arc::new(Shared { way, queue: Mutex::default(), dropped: AtomicU64::new(0) }) }
    }

    /// Takes one record (a whole line). Never blocks.
    pub fn write_record(&self, record: &[u8]) {
        let taken = match &self.shared.way {
            Way::Thread(thread) => thread.take(record),
            Way::Write(_) | Way::Send(_) => self.take(record),
        };
        if !taken {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn is_flushed(&self) -> bool {
        match &self.shared.way {
            Way::Thread(thread) => thread.is_idle(),
            Way::Write(_) | Way::Send(_) => self.queue().pending.is_empty(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes at once what can be, keeps the rest. False where there is no room, or no reader.
    fn take(&self, record: &[u8]) -> bool {
        let mut queue = self.queue();
        let mut rest = record;
        if queue.pending.is_empty() {
            while !rest.is_empty() {
                match self.shared.way.write(rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => return false,
                }
            }
            // Once begun, a record is finished: half a line would spoil the next one too.
        } else if queue.pending.len() + rest.len() > PENDING_MAX_BYTES {
            return false;
        }
        queue.pending.extend(rest);
        if !queue.pending.is_empty() && !queue.flushing {
            // Without a loop there is nobody to wait for the reader; the next record tries again.
            if let Ok(runtime) = Handle::try_current() {
                queue.flushing = true;
                runtime.spawn(self.clone().flush_pending());
            }
        }
        true
    }

    /// Writes what waits, as the reader takes it.
    async fn flush_pending(self) {
        let done = self.write_all_pending().await;
        let mut queue = self.queue();
        queue.flushing = false;
        if done.is_err() {
            // The reader is gone: what waits is lost, as one record.
            queue.pending.clear();
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn write_all_pending(&self) -> io::Result<()> {
        let writable = descriptor::watch_writable(self.shared.way.descriptor()?)?;
        loop {
            let mut ready = writable.writable().await?;
            let result = ready.try_io(|_| {
                let mut queue = self.queue();
                let written = self.shared.way.write(queue.pending.as_slices().0)?;
                queue.pending.drain(..written);
                Ok(queue.pending.is_empty())
            });
            match result {
                Ok(Ok(true)) => return Ok(()),
                // More to write, or the reader is slow.
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
    }
}

impl Way {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Write(fd) => descriptor::write_now(fd.as_fd(), bytes),
            Self::Send(fd) => descriptor::send_now(fd.as_fd(), bytes),
            Self::Thread(_) => Ok(bytes.len()),
        }
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Write(fd) | Self::Send(fd) => fd.try_clone(),
            Self::Thread(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// For `tracing`, which hands over one event with each call.
impl io::Write for Sink {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.write_record(record);
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[tokio::test]
    async fn a_stalled_reader_finds_what_fitted_and_the_rest_is_counted() {
        let (mut reader, writer) = io::pipe().unwrap();
        let sink = Sink::open(writer.as_fd());
        assert!(matches!(sink.shared.way, Way::Write(_)));
        let record = [b'x'; 1000];
        let begin = Instant::now();
        for _ in 0..5000 {
            sink.write_record(&record);
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "blocked");
        let dropped = sink.dropped();
        assert!(dropped > 3000, "{dropped} dropped: the bound does not hold");
        drop(writer);
        let expected = usize::try_from(5000 - dropped).unwrap() * record.len();
        let received = tokio::task::spawn_blocking(move || {
            let mut all = vec![0; expected];
            reader.read_exact(&mut all).map(|()| all.len())
        });
        assert_eq!(received.await.unwrap().unwrap(), expected);
        assert!(sink.is_flushed());
    }

    #[tokio::test]
    async fn a_stalled_socket_does_not_block_either() {
        let (_reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        let sink = Sink::open(writer.as_fd());
        assert!(matches!(sink.shared.way, Way::Send(_)));
        for _ in 0..5000 {
            sink.write_record(&[b'x'; 1000]);
        }
        assert!(sink.dropped() > 0);
    }

    #[tokio::test]
    async fn what_cannot_be_reopened_gets_a_thread() {
        // A named pipe whose reader is gone: reopening it for writing says ENXIO. A child of another
        // test may have the reader between its fork and its exec.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let writer = std::fs::File::options().write(true).open(&path).unwrap();
        drop(reader);
        let end = Instant::now() + Duration::from_secs(10);
        let sink = loop {
            let sink = Sink::open(writer.as_fd());
            if matches!(sink.shared.way, Way::Thread(_)) {
                break sink;
            }
            assert!(Instant::now() < end, "a pipe without reader was reopened");
            tokio::task::yield_now().await;
        };
        for _ in 0..5000 {
            sink.write_record(&[b'x'; 1000]);
        }
    }
}
