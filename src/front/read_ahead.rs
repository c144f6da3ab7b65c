//! Reads large responses of Frappe as fast as they come, however slow the client is, so that no gunicorn thread
//! waits for a slow client. Data that does not fit into memory goes to an unnamed file.
//!
//! ```text
//!  gunicorn ─▶ pump ─ with room ──▶ memory ─┬─▶ queue ─▶ client
//!                 ├── no room ───▶ file ────┘
//!                 └── no room in either: the pump waits until the client has read what is in memory
//! ```

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::body::SizeHint;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::answer::Content;
use super::bounds::MAX_RESPONSE_IN_MEMORY_BYTES;
use super::shared::Shared;
use super::upstream::Reply;
use crate::buffers::budget::{Charge, Kind, Place};
use crate::buffers::keeping::keeping;
use crate::buffers::spool_file::SpoolFile;
use crate::static_files::file_body::FileBody;

/// hyper and the two sockets buffer this much anyway.
const SMALL_BYTES: u64 = 64 * 1024;
/// The default of nginx (`proxy_max_temp_file_size`).
const MAX_IN_FILE_BYTES: u64 = 1 << 30;
/// The memory of a piece besides its bytes.
const PIECE_BYTES: usize = 256;

pub struct ReadAhead {
    queue: Arc<Mutex<Queue>>,
    /// The piece of a file that is being sent.
    reading: Option<FileBody>,
    size_hint: SizeHint,
    pump: JoinHandle<()>,
}

/// What was received and not yet read by the client, in its order.
#[derive(Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    reader: Option<Waker>,
}

enum Piece {
    Memory(Bytes),
    /// The bytes from `start` up to `end`.
    File {
        file: Arc<SpoolFile>,
        start: u64,
        end: u64,
    },
    End(io::Result<()>),
}

/// Returns the response unchanged if it is small, or else with read-ahead.
pub fn with_read_ahead(shared: &Arc<Shared>, reply: Reply) -> Content {
    let size_hint = reply.size_hint();
    if size_hint.exact().is_some_and(|length| length <= SMALL_BYTES) {
        return Content::Reply(reply);
    }
    let queue = Arc::<Mutex<Queue>>::default();
    let room = Arc::new(Semaphore::new(MAX_RESPONSE_IN_MEMORY_BYTES));
    let pump = Pump { shared: shared.clone(), queue: queue.clone(), room };
    let pump = tokio::spawn(pump.run(reply));
    Content::ReadAhead(Box::new(ReadAhead { queue, reading: None, size_hint, pump }))
}

struct Pump {
    shared: Arc<Shared>,
    queue: Arc<Mutex<Queue>>,
    /// What this response may still have in memory.
    room: Arc<Semaphore>,
}

impl Pump {
    async fn run(self, mut reply: Reply) {
        let end = loop {
            match poll_fn(|cx| reply.poll_bytes(cx)).await {
                Some(Ok(bytes)) => {
                    let piece = self.stored(bytes).await;
                    lock(&self.queue).push(piece);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        // Frees the connection for the next request before the client has read everything.
        drop(reply);
        lock(&self.queue).push(Piece::End(end));
    }

    async fn stored(&self, bytes: Bytes) -> Piece {
        let length = bytes.len() as u64;
        let own_room = self.room.clone().try_acquire_many_owned(permits(bytes.len()));
        let is_starved = lock(&self.queue).pieces.is_empty();
        if let Ok(own_room) = own_room
            && let Some(charge) = self.charged(length, is_starved)
        {
            return Piece::Memory(keeping(bytes, (own_room, charge)));
        }
        if let Some((file, end)) = self.append(&bytes).await {
            return Piece::File { file, start: end - length, end };
        }
        let own_room = self.room.clone().acquire_many_owned(permits(MAX_RESPONSE_IN_MEMORY_BYTES)).await;
        Piece::Memory(keeping(bytes, (own_room, self.charged(length, true))))
    }

    /// Charges bytes to the memory of all responses, even without room if the client has nothing else to read.
    fn charged(&self, length: u64, is_starved: bool) -> Option<Charge> {
        let mut charge = self.shared.runtime.budget().charge(Kind::Answer, Place::Memory, 0);
        let has_room = charge.try_add_in_memory(length);
        if !has_room && is_starved {
            charge.add(length);
        }
        (has_room || is_starved).then_some(charge)
    }

    /// Returns the file with the bytes at its end, and its length. None if the runtime folder has no room for them.
    async fn append(&self, bytes: &Bytes) -> Option<(Arc<SpoolFile>, u64)> {
        let file = lock(&self.queue).file();
        if file.as_ref().is_some_and(|file| file.length() >= MAX_IN_FILE_BYTES) {
            return None;
        }
        match self.shared.runtime.append(Kind::Answer, file, 0, bytes.clone(), false).await {
            Ok(file) => {
                let length = file.length();
                Some((file, length))
            }
            Err(error) => {
                tracing::debug!(
                    event = "request.read_ahead_stopped",
                    %error,
                    "response is not read ahead of the client"
                );
                None
            }
        }
    }
}

/// The part of the room in memory that a piece takes.
fn permits(length: usize) -> u32 {
    length.clamp(PIECE_BYTES, MAX_RESPONSE_IN_MEMORY_BYTES) as u32
}

impl Queue {
    /// The file that is continued. One of which nothing is left to read is not, so that its space becomes free.
    fn file(&self) -> Option<Arc<SpoolFile>> {
        self.pieces.iter().rev().find_map(|piece| match piece {
            Piece::File { file, .. } => Some(file.clone()),
            Piece::Memory(_) | Piece::End(_) => None,
        })
    }

    fn push(&mut self, piece: Piece) {
        match (self.pieces.back_mut(), &piece) {
            // Any number of small pieces of a file takes no memory.
            (Some(Piece::File { file, end, .. }), Piece::File { file: same, end: longer, .. })
                if Arc::ptr_eq(file, same) =>
            {
                *end = *longer;
            }
            _ => self.pieces.push_back(piece),
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
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
            let mut queue = lock(&self.queue);
            match queue.pieces.pop_front() {
                Some(Piece::Memory(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Piece::File { file, start, end }) => {
                    self.reading = Some(FileBody::new(file, start, end));
                }
                Some(Piece::End(end)) => {
                    queue.pieces.push_back(Piece::End(Ok(())));
                    return Poll::Ready(end.err().map(Err));
                }
                None => {
                    queue.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
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
        let charge = Budget::new(FolderLimit::None).charge(Kind::Answer, Place::Disk, 0);
        Arc::new(SpoolFile::new(&std::env::temp_dir(), charge).unwrap())
    }

    #[test]
    fn pieces_keep_their_order_and_those_of_a_file_are_joined() {
        let (one, other, mut queue) = (file(), file(), Queue::default());
        let of = |file: &Arc<SpoolFile>, start, end| Piece::File { file: file.clone(), start, end };
        let memory = || Piece::Memory(Bytes::from_static(b"x"));
        for piece in [of(&one, 0, 5), of(&one, 5, 8), memory(), of(&one, 8, 9), of(&other, 0, 4), memory()] {
            queue.push(piece);
        }
        let ranges: Vec<_> = queue
            .pieces
            .iter()
            .map(|piece| if let Piece::File { start, end, .. } = piece { (*start, *end) } else { (0, 0) })
            .collect();
        assert_eq!(ranges, [(0, 8), (0, 0), (8, 9), (0, 4), (0, 0)]);
        assert!(Arc::ptr_eq(&queue.file().unwrap(), &other), "the last file is continued");
        queue.pieces.drain(..4);
        assert!(queue.file().is_none(), "a file that was read");
    }
}
