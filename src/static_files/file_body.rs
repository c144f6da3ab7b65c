//! A range of a file as a body, which never blocks the event loop on a disk: cached data is read at once, other data
//! by another thread.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use crate::sys::file::{read_at, read_at_without_waiting};

/// Large enough to make system calls cheap, small enough for a thousand concurrent downloads.
const CHUNK_BYTES: usize = 64 * 1024;

pub struct FileBody {
    /// A file, or what has one, and is kept until its body was sent.
    file: Arc<dyn AsFd + Send + Sync>,
    offset: u64,
    end: u64,
    /// Reused once the network has taken its bytes.
    buffer: BytesMut,
    /// A read that waits for the disk.
    pending_read: Option<JoinHandle<io::Result<BytesMut>>>,
    chunk_bytes: usize,
}

impl FileBody {
    /// The bytes from `offset` up to `end`.
    pub fn new(file: Arc<impl AsFd + Send + Sync + 'static>, offset: u64, end: u64) -> Self {
        Self { file, offset, end, buffer: BytesMut::new(), pending_read: None, chunk_bytes: CHUNK_BYTES }
    }

    /// Sets the number of bytes that are read at once.
    pub fn set_chunk(&mut self, chunk_bytes: usize) {
        self.chunk_bytes = chunk_bytes;
    }

    pub fn remaining(&self) -> u64 {
        self.end - self.offset
    }

    fn next_length(&self) -> usize {
        let max = self.chunk_bytes;
        usize::try_from(self.remaining()).map_or(max, |remaining| remaining.min(max))
    }

    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(pending_read) = &mut self.pending_read {
            let read =
                ready!(Pin::new(pending_read).poll(cx)).unwrap_or_else(|error| Err(io::Error::other(error)));
            self.pending_read = None;
            return Poll::Ready(Some(read.and_then(|buffer| self.advance(buffer))));
        }
        if self.offset == self.end {
            return Poll::Ready(None);
        }
        match self.read() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (file, offset) = (self.file.clone(), self.offset);
                let buffer = std::mem::take(&mut self.buffer);
                let length = self.next_length();
                let read = move || read_at(file.as_fd(), buffer, length, offset);
                self.pending_read = Some(tokio::task::spawn_blocking(read));
                self.poll_chunk(cx)
            }
            read => Poll::Ready(Some(read)),
        }
    }

    fn read(&mut self) -> io::Result<Bytes> {
        let length = self.next_length();
        read_at_without_waiting(self.file.as_fd(), &mut self.buffer, length, self.offset)?;
        let read = self.buffer.split();
        self.advance(read)
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

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
        let too_long = FileBody::new(file, 0, bytes.len() as u64 + 1);
        assert_eq!(all_of(too_long).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
