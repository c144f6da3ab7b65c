//! A stretch of a file as a body, without keeping the event loop waiting for a disk: what is in memory
//! already is read, or left to the kernel to send; what is not, another thread brings there first.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::sendfile::{FileQueue, MOST_BYTES};
use super::spool_file::SentFile;
use crate::sys::file::{read_at, read_at_without_waiting};

/// Large enough that system calls do not count, small enough for a thousand downloads at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Less is sooner copied than sent by a call of its own.
const LEAST_SENT_BYTES: u64 = 64 * 1024;

pub struct FileBody {
    file: SentFile,
    at: u64,
    end: u64,
    /// Used again once the network has taken what was in it.
    buffer: BytesMut,
    /// A read that has to wait for the disk; all of a chunk that the kernel is to send.
    waiting: Option<JoinHandle<io::Result<BytesMut>>>,
    /// The connection's, where it can send files by itself.
    queue: Option<FileQueue>,
    chunk_bytes: usize,
}

impl FileBody {
    /// The bytes from `at` up to `end`.
    pub fn new(file: impl Into<SentFile>, at: u64, end: u64) -> Self {
        Self {
            file: file.into(),
            at,
            end,
            buffer: BytesMut::new(),
            waiting: None,
            queue: None,
            chunk_bytes: CHUNK_BYTES,
        }
    }

    /// Large stretches are the kernel's to send.
    pub fn send_by(&mut self, queue: Option<FileQueue>) {
        self.queue = queue.filter(|_| self.left() > LEAST_SENT_BYTES);
    }

    /// Reads less of it at once.
    pub fn set_chunk(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
    }

    pub fn left(&self) -> u64 {
        self.end - self.at
    }

    fn next(&self, most: usize) -> usize {
        usize::try_from(self.left()).map_or(most, |left| left.min(most))
    }

    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(waiting) = &mut self.waiting {
            let read = ready!(Pin::new(waiting).poll(cx)).unwrap_or_else(|gone| Err(io::Error::other(gone)));
            self.waiting = None;
            match read {
                Ok(buffer) if self.queue.is_none() => return Poll::Ready(Some(self.advance(buffer))),
                // It is in memory now, and goes from there.
                Ok(_) => return Poll::Ready(Some(Ok(self.stand_in()))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        if self.at == self.end {
            return Poll::Ready(None);
        }
        let looked = if self.queue.is_some() { self.look() } else { self.read() };
        match looked {
            Ok(bytes) => Poll::Ready(Some(Ok(bytes))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (file, at) = (self.file.clone(), self.at);
                let buffer = std::mem::take(&mut self.buffer);
                let wanted = self.next(if self.queue.is_some() { MOST_BYTES } else { self.chunk_bytes });
                let fetch = if self.queue.is_some() { bring } else { read_once };
                self.waiting = Some(tokio::task::spawn_blocking(move || fetch(&file, buffer, wanted, at)));
                self.poll_chunk(cx)
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn read(&mut self) -> io::Result<Bytes> {
        let wanted = self.next(self.chunk_bytes);
        read_at_without_waiting(&self.file, &mut self.buffer, wanted, self.at)?;
        let read = self.buffer.split();
        self.advance(read)
    }

    /// The kernel reads ahead: where a chunk's first and last byte are, the rest is.
    fn look(&mut self) -> io::Result<Bytes> {
        for at in [self.at, self.at + self.next(MOST_BYTES) as u64 - 1] {
            self.buffer.clear();
            read_at_without_waiting(&self.file, &mut self.buffer, 1, at)?;
        }
        Ok(self.stand_in())
    }

    fn stand_in(&mut self) -> Bytes {
        let length = self.next(MOST_BYTES);
        let queue = self.queue.as_ref().expect("only where there is one");
        let bytes = queue.stand_in(&self.file, self.at, length);
        self.at += length as u64;
        bytes
    }

    /// A file that became shorter cannot be answered as was promised: the connection has to break.
    fn advance(&mut self, read: BytesMut) -> io::Result<Bytes> {
        if read.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read.len() as u64;
        Ok(read.freeze())
    }
}

fn read_once(file: &File, mut buffer: BytesMut, wanted: usize, at: u64) -> io::Result<BytesMut> {
    read_at(file, &mut buffer, wanted, at)?;
    Ok(buffer)
}

/// Into the kernel's memory, where it stays; what comes to ours is of no use.
fn bring(file: &File, mut buffer: BytesMut, wanted: usize, at: u64) -> io::Result<BytesMut> {
    let (mut at, end) = (at, at + wanted as u64);
    while at < end {
        buffer.clear();
        read_at(file, &mut buffer, CHUNK_BYTES, at)?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at += buffer.len() as u64;
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

    use super::*;

    /// A file on a disk, none of it in memory as far as the kernel does what it is asked.
    fn cold(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(bytes).unwrap();
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        Arc::new(file)
    }

    async fn all_of(mut body: FileBody) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|cx| body.poll_chunk(cx)).await {
            whole.extend_from_slice(&chunk?);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn a_file_that_has_to_be_fetched_first_is_itself() {
        let bytes: Vec<u8> = (0..700_000u32).flat_map(u32::to_le_bytes).collect();
        let file = cold(&bytes);
        assert!(all_of(FileBody::new(file.clone(), 0, bytes.len() as u64)).await.unwrap() == bytes);
        let part = FileBody::new(cold(&bytes), 100_001, 2_000_000);
        assert!(all_of(part).await.unwrap() == bytes[100_001..2_000_000]);
        let mut by_kernel = FileBody::new(cold(&bytes), 0, bytes.len() as u64);
        by_kernel.send_by(Some(FileQueue::default()));
        assert_eq!(all_of(by_kernel).await.unwrap().len(), bytes.len());
        let longer_than_it_is = FileBody::new(file, 0, bytes.len() as u64 + 1);
        assert_eq!(all_of(longer_than_it_is).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
