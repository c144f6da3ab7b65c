//! A stretch of a file as a response body, read without keeping the event loop waiting for a disk.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use crate::sys::file::{read_at, read_at_without_waiting};

/// Large enough that system calls do not count, small enough for a thousand downloads at once.
const CHUNK_BYTES: usize = 64 * 1024;

pub struct FileBody {
    file: Arc<File>,
    at: u64,
    end: u64,
    /// Used again once the network has taken what was in it.
    buffer: BytesMut,
    /// A read that has to wait for the disk.
    waiting: Option<JoinHandle<io::Result<BytesMut>>>,
}

impl FileBody {
    /// The bytes from `at` up to `end`.
    pub fn new(file: Arc<File>, at: u64, end: u64) -> Self {
        Self { file, at, end, buffer: BytesMut::new(), waiting: None }
    }

    pub fn left(&self) -> u64 {
        self.end - self.at
    }

    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(waiting) = &mut self.waiting {
            let read = std::task::ready!(Pin::new(waiting).poll(cx));
            self.waiting = None;
            return Poll::Ready(Some(match read {
                Ok(Ok(buffer)) => self.advance(buffer),
                Ok(Err(error)) => Err(error),
                Err(gone) => Err(io::Error::other(gone)),
            }));
        }
        if self.at == self.end {
            return Poll::Ready(None);
        }
        let wanted = usize::try_from(self.left()).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        self.buffer.reserve(wanted);
        match read_at_without_waiting(&self.file, &mut self.buffer, wanted, self.at) {
            Ok(()) => {
                let read = self.buffer.split();
                Poll::Ready(Some(self.advance(read)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (file, at) = (self.file.clone(), self.at);
                let mut buffer = std::mem::take(&mut self.buffer);
                self.waiting = Some(tokio::task::spawn_blocking(move || {
                    read_at(&file, &mut buffer, wanted, at).map(|()| buffer)
                }));
                self.poll_chunk(cx)
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
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
