//! Sends files from the page cache to the network with sendfile(2), without copying them through our memory.
//!
//! hyper can only write bytes. A file body gives it a placeholder, a slice of one region that holds no data, and
//! puts the file and the offset into a queue. The stream below hyper recognises the region by its address, and
//! calls sendfile(2) instead of writing the placeholder.
//!
//! ```text
//!   FileBody ── placeholder, n bytes ──▶ hyper ── head, placeholder ──▶ FileStream ── head ─▶ socket
//!       └────── file, offset, n ────▶ FileQueue ────────────────────────┘ └─ sendfile ─▶ socket
//! ```
//!
//! This works for HTTP/1 without TLS, where bodies of known length are written unchanged and in order.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use nix::sys::sendfile::sendfile;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::conn_state::ConnState;
use super::parking::Activity;
use super::preface::FirstBytes;
use super::spool_file::SentFile;

/// Bytes per sendfile call, as in nginx.
pub const MAX_SEND_BYTES: usize = 2 << 20;

/// Never written or read, so it takes no physical memory.
static PLACEHOLDER_REGION: LazyLock<&'static [u8]> =
    LazyLock::new(|| Box::leak(vec![0; MAX_SEND_BYTES].into_boxed_slice()));

/// The part of a file that is written next.
#[derive(Debug)]
struct Segment {
    file: SentFile,
    offset: u64,
    remaining: usize,
}

/// The file segments of one connection's placeholders, in order.
#[derive(Clone, Debug, Default)]
pub struct FileQueue(Arc<Mutex<VecDeque<Segment>>>);

impl FileQueue {
    /// Queues up to [`MAX_SEND_BYTES`] of a file, and returns their placeholder.
    pub fn placeholder(&self, file: &SentFile, offset: u64, length: usize) -> Bytes {
        self.lock().push_back(Segment { file: file.clone(), offset, remaining: length });
        Bytes::from_static(&PLACEHOLDER_REGION[..length])
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_placeholder(slice: &[u8]) -> bool {
    !slice.is_empty() && PLACEHOLDER_REGION.as_ptr_range().contains(&slice.as_ptr())
}

/// A client's socket that sends files for placeholders, and outlives hyper's use of it.
pub struct FileStream {
    socket: Arc<TcpStream>,
    /// Bytes that were read to detect the protocol, and not passed on yet.
    first: FirstBytes,
    files: FileQueue,
    activity: Arc<Activity>,
}

/// Limits how much of hyper's buffer is initialised for one read.
const MAX_READ_BYTES: usize = 16 * 1024;

impl FileStream {
    pub fn new(socket: Arc<TcpStream>, first: FirstBytes, conn: &ConnState) -> Self {
        let files = conn.files.clone().unwrap_or_default();
        Self { socket, first, files, activity: conn.activity.clone() }
    }

    fn poll_send(&self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            let mut segments = self.files.lock();
            let Some(segment) = segments.front_mut() else {
                return Poll::Ready(Err(io::Error::other("a placeholder without a file")));
            };
            let mut offset = i64::try_from(segment.offset).map_err(io::Error::other)?;
            let count = max.min(segment.remaining);
            let sent = self.socket.try_io(Interest::WRITABLE, || {
                Ok(sendfile(self.socket.as_fd(), segment.file.as_fd(), Some(&mut offset), count)?)
            });
            match sent {
                // The file became shorter: the announced length cannot be sent.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    segment.offset += sent as u64;
                    segment.remaining -= sent;
                    if segment.remaining == 0 {
                        segments.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for FileStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let first = std::mem::take(&mut self.first);
        if !first.bytes().is_empty() {
            self.activity.has_read(first.bytes());
            buffer.put_slice(first.bytes());
            return Poll::Ready(Ok(()));
        }
        let room = buffer.remaining().min(MAX_READ_BYTES);
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            let space = buffer.initialize_unfilled_to(room);
            match self.socket.try_read(space) {
                Ok(count) => {
                    self.activity.has_read(&space[..count]);
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for FileStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let slices = &slices[slices.iter().take_while(|slice| slice.is_empty()).count()..];
        let before = slices.iter().take_while(|slice| !is_placeholder(slice)).count();
        if let Some(first) = slices.first().filter(|_| before == 0) {
            return self.poll_send(cx, first.len());
        }
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match self.socket.try_write_vectored(&slices[..before]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Without vectored writes hyper would copy placeholders and bytes into one buffer.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_parked() {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(shutdown(self.socket.as_raw_fd(), Shutdown::Write).map_err(io::Error::from))
    }
}
