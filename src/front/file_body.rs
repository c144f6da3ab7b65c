//! A range of a file as a body, which never blocks the event loop on a disk: cached data is read, or sent by the
//! kernel; other data is first read into the page cache by another thread.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::sendfile::{FileQueue, MAX_SEND_BYTES};
use super::spool_file::SentFile;
use crate::sys::file::{read_at, read_at_without_waiting};

/// Large enough to make system calls cheap, small enough for a thousand concurrent downloads.
const CHUNK_BYTES: usize = 64 * 1024;
/// Fewer bytes are copied faster than sent by a separate call.
const MIN_SENDFILE_BYTES: u64 = 64 * 1024;

pub struct FileBody {
    file: SentFile,
    offset: u64,
    end: u64,
    /// Reused once the network has taken its bytes.
    buffer: BytesMut,
    /// A read that waits for the disk; with sendfile, the read of a whole chunk into the page cache.
    pending_read: Option<JoinHandle<io::Result<BytesMut>>>,
    /// The connection's queue, if it supports sendfile.
    queue: Option<FileQueue>,
    chunk_bytes: usize,
}

impl FileBody {
    /// The bytes from `offset` up to `end`.
    pub fn new(file: impl Into<SentFile>, offset: u64, end: u64) -> Self {
        Self {
            file: file.into(),
            offset,
            end,
            buffer: BytesMut::new(),
            pending_read: None,
            queue: None,
            chunk_bytes: CHUNK_BYTES,
        }
    }

    /// Lets the kernel send the file if it is large enough.
    pub fn use_sendfile(&mut self, queue: Option<FileQueue>) {
        self.queue = queue.filter(|_| self.remaining() > MIN_SENDFILE_BYTES);
    }

    /// Sets the number of bytes that are read at once.
    pub fn set_chunk(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
    }

    pub fn remaining(&self) -> u64 {
        self.end - self.offset
    }

    fn next_length(&self, max: usize) -> usize {
        usize::try_from(self.remaining()).map_or(max, |remaining| remaining.min(max))
    }

    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(pending_read) = &mut self.pending_read {
            let read =
                ready!(Pin::new(pending_read).poll(cx)).unwrap_or_else(|error| Err(io::Error::other(error)));
            self.pending_read = None;
            match read {
                Ok(buffer) if self.queue.is_none() => return Poll::Ready(Some(self.advance(buffer))),
                // The chunk is in the page cache now, and the kernel sends it.
                Ok(_) => return Poll::Ready(Some(Ok(self.placeholder()))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        if self.offset == self.end {
            return Poll::Ready(None);
        }
        let result = if self.queue.is_some() { self.check_cached() } else { self.read() };
        match result {
            Ok(bytes) => Poll::Ready(Some(Ok(bytes))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (file, offset) = (self.file.clone(), self.offset);
                let buffer = std::mem::take(&mut self.buffer);
                let length =
                    self.next_length(if self.queue.is_some() { MAX_SEND_BYTES } else { self.chunk_bytes });
                let read = if self.queue.is_some() { fetch_into_page_cache } else { read_once };
                self.pending_read =
                    Some(tokio::task::spawn_blocking(move || read(&file, buffer, length, offset)));
                self.poll_chunk(cx)
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn read(&mut self) -> io::Result<Bytes> {
        let length = self.next_length(self.chunk_bytes);
        read_at_without_waiting(&self.file, &mut self.buffer, length, self.offset)?;
        let read = self.buffer.split();
        self.advance(read)
    }

    /// Returns the next placeholder if its chunk is in the page cache. The kernel reads ahead: if the first and the
    /// last byte are cached, the rest is as well.
    fn check_cached(&mut self) -> io::Result<Bytes> {
        for offset in [self.offset, self.offset + self.next_length(MAX_SEND_BYTES) as u64 - 1] {
            self.buffer.clear();
            read_at_without_waiting(&self.file, &mut self.buffer, 1, offset)?;
        }
        Ok(self.placeholder())
    }

    fn placeholder(&mut self) -> Bytes {
        let length = self.next_length(MAX_SEND_BYTES);
        let queue = self.queue.as_ref().expect("a queue");
        let bytes = queue.placeholder(&self.file, self.offset, length);
        self.offset += length as u64;
        bytes
    }

    /// Fails if the file became shorter: the announced length cannot be sent, and the connection has to break.
    fn advance(&mut self, read: BytesMut) -> io::Result<Bytes> {
        if read.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += read.len() as u64;
        Ok(read.freeze())
    }
}

fn read_once(file: &File, mut buffer: BytesMut, length: usize, offset: u64) -> io::Result<BytesMut> {
    read_at(file, &mut buffer, length, offset)?;
    Ok(buffer)
}

/// Reads a chunk into the page cache; our copy is discarded.
fn fetch_into_page_cache(
    file: &File,
    mut buffer: BytesMut,
    length: usize,
    offset: u64,
) -> io::Result<BytesMut> {
    let (mut offset, end) = (offset, offset + length as u64);
    while offset < end {
        buffer.clear();
        read_at(file, &mut buffer, CHUNK_BYTES, offset)?;
        if buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += buffer.len() as u64;
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

    use super::*;

    /// Creates a file that is on disk and not in the page cache, as far as the kernel follows the advice.
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
    async fn an_uncached_file_is_read_completely() {
        let bytes: Vec<u8> = (0..700_000u32).flat_map(u32::to_le_bytes).collect();
        let file = cold(&bytes);
        assert!(all_of(FileBody::new(file.clone(), 0, bytes.len() as u64)).await.unwrap() == bytes);
        let part = FileBody::new(cold(&bytes), 100_001, 2_000_000);
        assert!(all_of(part).await.unwrap() == bytes[100_001..2_000_000]);
        let mut by_kernel = FileBody::new(cold(&bytes), 0, bytes.len() as u64);
        by_kernel.use_sendfile(Some(FileQueue::default()));
        assert_eq!(all_of(by_kernel).await.unwrap().len(), bytes.len());
        let too_long = FileBody::new(file, 0, bytes.len() as u64 + 1);
        assert_eq!(all_of(too_long).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
