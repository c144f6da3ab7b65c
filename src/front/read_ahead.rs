//! A large answer of Frappe's is taken as fast as it comes, however slow its reader is: a thread of gunicorn's
//! is not to wait for somebody's telephone. What memory does not hold goes to a file that has no name.
//!
//! ```text
//!  gunicorn ─▶ pump ─ there is room ──▶ memory ─▶ reader
//!                 └── there is none ──▶ file ───▶ reader      (until all of it was read)
//!                          └ full, or no disk: the pump waits, as it would without us
//! ```

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::body::SizeHint;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::answer::Content;
use super::budget::{self, Charge, Kind};
use super::file_body::FileBody;
use super::shared::Shared;
use super::spool_file::SpoolFile;
use super::upstream::Reply;

/// hyper and the two sockets hold so much anyway.
const SMALL_BYTES: u64 = 64 * 1024;
const IN_MEMORY_BYTES: usize = 256 * 1024;
/// nginx's (`proxy_max_temp_file_size`).
const IN_FILE_BYTES: u64 = 1 << 30;

pub struct ReadAhead {
    kept: Arc<Retained>,
    /// A stretch of the file that is being sent.
    reading: Option<FileBody>,
    size_hint: SizeHint,
    pump: JoinHandle<()>,
}

/// What has come and was not read yet.
#[derive(Default)]
struct Retained {
    stock: Mutex<Stock>,
    /// The reader has come further.
    room: Notify,
}

/// Memory is older than the part of the file that nobody has begun to read.
#[derive(Default)]
struct Stock {
    memory: VecDeque<Bytes>,
    in_memory_bytes: usize,
    /// What all answers together may have of it.
    memory_charge: Option<Charge>,
    file: Option<Arc<SpoolFile>>,
    read: u64,
    written: u64,
    end: Option<io::Result<()>>,
    reader: Option<Waker>,
}

/// What the pump does with the next bytes.
enum Place {
    Memory,
    File(Option<Arc<SpoolFile>>),
    Nowhere,
}

/// The answer as it comes, or ahead of its reader where that can make a difference.
pub fn ahead_of_reader(shared: &Arc<Shared>, reply: Reply) -> Content {
    let size_hint = reply.size_hint();
    if size_hint.exact().is_some_and(|length| length <= SMALL_BYTES) {
        return Content::Reply(reply);
    }
    let kept = Arc::<Retained>::default();
    kept.stock().memory_charge = Some(shared.runtime.budget().charge(Kind::Answer, budget::Place::Memory));
    let pump = tokio::spawn(pump(reply, kept.clone(), shared.clone()));
    Content::ReadAhead(Box::new(ReadAhead { kept, reading: None, size_hint, pump }))
}

async fn pump(mut reply: Reply, kept: Arc<Retained>, shared: Arc<Shared>) {
    let end = loop {
        match std::future::poll_fn(|cx| reply.poll_bytes(cx)).await {
            Some(Ok(bytes)) => kept.keep(bytes, &shared).await,
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    // The next request need not wait for this one's reader.
    drop(reply);
    kept.change(|stock| stock.end = Some(end));
}

impl Retained {
    async fn keep(&self, bytes: Bytes, shared: &Shared) {
        let mut disk_is_full = false;
        loop {
            let place = self.stock().place(bytes.len(), disk_is_full);
            match place {
                Place::Memory => {
                    return self.change(|stock| {
                        stock.in_memory_bytes += bytes.len();
                        stock.memory.push_back(bytes);
                    });
                }
                Place::File(file) => match shared.runtime.append(Kind::Answer, file, bytes.clone()).await {
                    Ok((file, _)) => return self.change(|stock| stock.has_written(file, bytes.len())),
                    Err(error) => {
                        tracing::debug!(%error, "an answer is not read ahead of its reader");
                        disk_is_full = true;
                    }
                },
                Place::Nowhere => self.room.notified().await,
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Stock)) {
        let mut stock = self.stock();
        change(&mut stock);
        if let Some(reader) = stock.reader.take() {
            reader.wake();
        }
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stock {
    /// Where it may be in memory, it counts as being there.
    fn place(&mut self, length: usize, disk_is_full: bool) -> Place {
        let is_all_begun = self.read == self.written;
        match (is_all_begun, is_all_begun && self.fits(length)) {
            (true, true) => Place::Memory,
            _ if disk_is_full => Place::Nowhere,
            // Nobody waits for what the old one holds: another begins.
            (true, false) => Place::File(None),
            (false, _) if self.written < IN_FILE_BYTES => Place::File(self.file.clone()),
            (false, _) => Place::Nowhere,
        }
    }

    fn fits(&mut self, length: usize) -> bool {
        let is_first = self.in_memory_bytes == 0;
        let Some(charge) = &mut self.memory_charge else { return true };
        let has_room = is_first || self.in_memory_bytes + length <= IN_MEMORY_BYTES;
        if !has_room || charge.try_add_in_memory(length as u64) {
            return has_room;
        }
        // Its reader has nothing else to go on with.
        if is_first {
            charge.add(length as u64);
        }
        is_first
    }

    fn has_written(&mut self, file: Arc<SpoolFile>, length: usize) {
        let is_another = self.file.as_ref().is_none_or(|old| !Arc::ptr_eq(old, &file));
        if is_another {
            (self.read, self.written) = (0, 0);
        }
        self.written += length as u64;
        self.file = Some(file);
    }

    fn take_from_memory(&mut self) -> Option<Bytes> {
        let bytes = self.memory.pop_front()?;
        self.in_memory_bytes -= bytes.len();
        if let Some(charge) = &mut self.memory_charge {
            charge.give_back(bytes.len() as u64);
        }
        Some(bytes)
    }

    fn take_from_file(&mut self) -> Option<FileBody> {
        let file = self.file.clone().filter(|_| self.read < self.written)?;
        let begun = FileBody::new(file, self.read, self.written);
        self.read = self.written;
        Some(begun)
    }
}

impl ReadAhead {
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                if let Some(chunk) = ready!(reading.poll_chunk(cx)) {
                    return Poll::Ready(Some(chunk));
                }
                self.reading = None;
            }
            let mut stock = self.kept.stock();
            if let Some(bytes) = stock.take_from_memory() {
                self.kept.room.notify_one();
                return Poll::Ready(Some(Ok(bytes)));
            }
            self.reading = stock.take_from_file();
            if self.reading.is_some() {
                self.kept.room.notify_one();
                continue;
            }
            return match stock.end.take() {
                Some(end) => {
                    stock.end = Some(Ok(()));
                    Poll::Ready(end.err().map(Err))
                }
                None => {
                    stock.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
    }

    /// Of all of it, as Frappe announced it.
    pub fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

impl Drop for ReadAhead {
    /// Nobody reads on: gunicorn is to know, too.
    fn drop(&mut self) {
        self.pump.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;

    fn file() -> Arc<SpoolFile> {
        let folder = std::env::temp_dir();
        Arc::new(SpoolFile::new(&folder, &Budget::new(None), Kind::Answer).unwrap())
    }

    fn stock(in_memory_bytes: usize, read: u64, written: u64) -> Stock {
        let memory_charge = Some(Budget::new(None).charge(Kind::Answer, budget::Place::Memory));
        Stock { in_memory_bytes, memory_charge, read, written, ..Stock::default() }
    }

    #[test]
    fn what_was_read_meanwhile_is_not_sent_again() {
        let file = file();
        let mut stock = Stock::default();
        stock.has_written(file.clone(), 5);
        let place = stock.place(3, false);
        assert!(matches!(&place, Place::File(Some(same)) if Arc::ptr_eq(same, &file)));
        assert_eq!(stock.take_from_file().unwrap().left(), 5);
        stock.has_written(file, 3);
        assert_eq!((stock.read, stock.written), (5, 8));
        stock.has_written(self::file(), 4);
        assert_eq!((stock.read, stock.written), (0, 4));
    }

    #[test]
    fn nothing_overtakes_what_came_before_it() {
        let memory = |mut stock: Stock, full| matches!(stock.place(1000, full), Place::Memory);
        let file = |mut stock: Stock, full| matches!(stock.place(1000, full), Place::File(_));
        assert!(memory(stock(0, 0, 0), false) && memory(stock(0, 9, 9), true));
        assert!(file(stock(IN_MEMORY_BYTES, 0, 0), false));
        // There is room in memory, but the file has older bytes.
        assert!(file(stock(0, 5, 9), false));
        for mut nowhere in [stock(0, 5, 9), stock(IN_MEMORY_BYTES, 0, 0)] {
            assert!(matches!(nowhere.place(1000, true), Place::Nowhere));
        }
        assert!(matches!(stock(0, 5, IN_FILE_BYTES).place(1, false), Place::Nowhere));
        // More than memory has room for, and nothing else there.
        assert!(matches!(stock(0, 0, 0).place(IN_MEMORY_BYTES * 2, true), Place::Memory));
    }
}
