//! Reads large responses of Frappe as fast as they come, however slow the client is, so that no gunicorn thread
//! waits for a slow client. Data that does not fit into memory goes to an unnamed file.
//!
//! ```text
//!  gunicorn ─▶ pump ─ with room ──▶ memory ─▶ client
//!                 └── no room ──▶ file ───▶ client      (until all of it was read)
//!                          └ file full, or disk error: the pump waits for the client
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
use super::bounds::MAX_RESPONSE_IN_MEMORY_BYTES;
use super::shared::Shared;
use super::upstream::Reply;
use crate::buffers::budget::{self, Charge, Kind};
use crate::buffers::spool_file::SpoolFile;
use crate::static_files::file_body::FileBody;

/// hyper and the two sockets buffer this much anyway.
const SMALL_BYTES: u64 = 64 * 1024;
/// The default of nginx (`proxy_max_temp_file_size`).
const MAX_IN_FILE_BYTES: u64 = 1 << 30;

pub struct ReadAhead {
    buffer: Arc<Buffer>,
    /// The part of the file that is being sent.
    reading: Option<FileBody>,
    size_hint: SizeHint,
    pump: JoinHandle<()>,
}

/// Data that was received and not yet read by the client.
#[derive(Default)]
struct Buffer {
    state: Mutex<BufferState>,
    /// Notified when the client has read more.
    room: Notify,
}

/// Data in memory is older than the part of the file that is not being read yet.
#[derive(Default)]
struct BufferState {
    memory: VecDeque<Bytes>,
    in_memory_bytes: usize,
    /// The charge against the memory that all responses share.
    memory_charge: Option<Charge>,
    file: Option<Arc<SpoolFile>>,
    read: u64,
    written: u64,
    end: Option<io::Result<()>>,
    reader: Option<Waker>,
}

/// The destination of the next bytes.
enum Destination {
    Memory,
    File(Option<Arc<SpoolFile>>),
    Wait,
}

/// Returns the response unchanged if it is small, or else with read-ahead.
pub fn with_read_ahead(shared: &Arc<Shared>, reply: Reply) -> Content {
    let size_hint = reply.size_hint();
    if size_hint.exact().is_some_and(|length| length <= SMALL_BYTES) {
        return Content::Reply(reply);
    }
    let buffer = Arc::<Buffer>::default();
    buffer.state().memory_charge =
        Some(shared.runtime.budget().charge(Kind::Answer, budget::Place::Memory, 0));
    let pump = tokio::spawn(pump(reply, buffer.clone(), shared.clone()));
    Content::ReadAhead(Box::new(ReadAhead { buffer, reading: None, size_hint, pump }))
}

async fn pump(mut reply: Reply, buffer: Arc<Buffer>, shared: Arc<Shared>) {
    let end = loop {
        match std::future::poll_fn(|cx| reply.poll_bytes(cx)).await {
            Some(Ok(bytes)) => buffer.store(bytes, &shared).await,
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    // Frees the connection for the next request before the client has read everything.
    drop(reply);
    buffer.change(|state| state.end = Some(end));
}

impl Buffer {
    async fn store(&self, bytes: Bytes, shared: &Shared) {
        let mut disk_is_full = false;
        loop {
            let destination = self.state().destination(bytes.len(), disk_is_full);
            match destination {
                Destination::Memory => {
                    return self.change(|state| {
                        state.in_memory_bytes += bytes.len();
                        state.memory.push_back(bytes);
                    });
                }
                Destination::File(file) => {
                    match shared.runtime.append(Kind::Answer, file, 0, bytes.clone()).await {
                        Ok(file) => return self.change(|state| state.record_written(file, bytes.len())),
                        Err(error) => {
                            tracing::debug!(
                                event = "request.read_ahead_stopped",
                                %error,
                                "response is not read ahead of the client"
                            );
                            disk_is_full = true;
                        }
                    }
                }
                Destination::Wait => self.room.notified().await,
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut BufferState)) {
        let mut state = self.state();
        change(&mut state);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, BufferState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BufferState {
    /// Chooses the destination. Bytes for memory are charged here.
    fn destination(&mut self, length: usize, disk_is_full: bool) -> Destination {
        let is_file_drained = self.read == self.written;
        match (is_file_drained, is_file_drained && self.fits(length)) {
            (true, true) => Destination::Memory,
            _ if disk_is_full => Destination::Wait,
            // The old file was read completely: a new one begins.
            (true, false) => Destination::File(None),
            (false, _) if self.written < MAX_IN_FILE_BYTES => Destination::File(self.file.clone()),
            (false, _) => Destination::Wait,
        }
    }

    fn fits(&mut self, length: usize) -> bool {
        let is_first = self.in_memory_bytes == 0;
        let Some(charge) = &mut self.memory_charge else { return true };
        let has_room = is_first || self.in_memory_bytes + length <= MAX_RESPONSE_IN_MEMORY_BYTES;
        if !has_room || charge.try_add_in_memory(length as u64) {
            return has_room;
        }
        // The client has nothing else to read: charged without room.
        if is_first {
            charge.add(length as u64);
        }
        is_first
    }

    fn record_written(&mut self, file: Arc<SpoolFile>, length: usize) {
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
            charge.release(bytes.len() as u64);
        }
        Some(bytes)
    }

    fn take_from_file(&mut self) -> Option<FileBody> {
        let file = self.file.clone().filter(|_| self.read < self.written)?;
        let segment = FileBody::new(file, self.read, self.written);
        self.read = self.written;
        Some(segment)
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
            let mut state = self.buffer.state();
            if let Some(bytes) = state.take_from_memory() {
                self.buffer.room.notify_one();
                return Poll::Ready(Some(Ok(bytes)));
            }
            self.reading = state.take_from_file();
            if self.reading.is_some() {
                self.buffer.room.notify_one();
                continue;
            }
            return match state.end.take() {
                Some(end) => {
                    state.end = Some(Ok(()));
                    Poll::Ready(end.err().map(Err))
                }
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
    }

    /// The size of the whole response, as Frappe announced it.
    pub fn size_hint(&self) -> SizeHint {
        self.size_hint
    }
}

impl Drop for ReadAhead {
    /// The client disconnected: closes the connection to gunicorn as well.
    fn drop(&mut self) {
        self.pump.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::budget::{Budget, FolderLimit};

    fn file() -> Arc<SpoolFile> {
        let folder = std::env::temp_dir();
        let charge = Budget::new(FolderLimit::None).charge(Kind::Answer, budget::Place::Disk, 0);
        Arc::new(SpoolFile::new(&folder, charge).unwrap())
    }

    fn state(in_memory_bytes: usize, read: u64, written: u64) -> BufferState {
        let memory_charge =
            Some(Budget::new(FolderLimit::None).charge(Kind::Answer, budget::Place::Memory, 0));
        BufferState { in_memory_bytes, memory_charge, read, written, ..BufferState::default() }
    }

    #[test]
    fn bytes_that_were_read_are_not_sent_again() {
        let file = file();
        let mut state = BufferState::default();
        state.record_written(file.clone(), 5);
        let destination = state.destination(3, false);
        assert!(matches!(&destination, Destination::File(Some(same)) if Arc::ptr_eq(same, &file)));
        assert_eq!(state.take_from_file().unwrap().remaining(), 5);
        state.record_written(file, 3);
        assert_eq!((state.read, state.written), (5, 8));
        state.record_written(self::file(), 4);
        assert_eq!((state.read, state.written), (0, 4));
    }

    #[test]
    fn bytes_keep_their_order() {
        let memory =
            |mut state: BufferState, full| matches!(state.destination(1000, full), Destination::Memory);
        let file =
            |mut state: BufferState, full| matches!(state.destination(1000, full), Destination::File(_));
        assert!(memory(state(0, 0, 0), false) && memory(state(0, 9, 9), true));
        assert!(file(state(MAX_RESPONSE_IN_MEMORY_BYTES, 0, 0), false));
        // There is room in memory, but the file has older bytes.
        assert!(file(state(0, 5, 9), false));
        for mut full_state in [state(0, 5, 9), state(MAX_RESPONSE_IN_MEMORY_BYTES, 0, 0)] {
            assert!(matches!(full_state.destination(1000, true), Destination::Wait));
        }
        assert!(matches!(state(0, 5, MAX_IN_FILE_BYTES).destination(1, false), Destination::Wait));
        // A chunk larger than the limit is accepted while memory is empty.
        assert!(matches!(
            state(0, 0, 0).destination(MAX_RESPONSE_IN_MEMORY_BYTES * 2, true),
            Destination::Memory
        ));
    }
}
