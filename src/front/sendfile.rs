//! Files go from the kernel's memory to the network without passing through ours.
//!
//! hyper writes bytes. A body that is a file gives it a stand-in: a slice of one region that holds
//! nothing, and the place in the file in a queue beside. The stream under the connection knows the
//! region by its address, and where it is to be written, has sendfile(2) write the file instead.
//!
//! ```text
//!   FileBody ── stand-in, n bytes ──▶ hyper ── head, stand-in ──▶ FileStream ── head ──────▶ socket
//!       └────── file, offset, n ──▶ FileQueue ───────────────────────┘ └── sendfile ──▶ socket
//! ```
//!
//! It holds for HTTP/1 in clear, whose bodies of known length are written as they are and in order.

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

use super::line::ConnState;
use super::parking::Activity;
use super::preface::First;
use super::spool_file::SentFile;

/// What is given to the kernel at once, as nginx does.
pub const MOST_BYTES: usize = 2 << 20;

/// Never written and never read: no memory stands behind it.
static NOTHING: LazyLock<&'static [u8]> = LazyLock::new(|| Box::leak(vec![0; MOST_BYTES].into_boxed_slice()));

/// A stretch of a file that is to be written next.
#[derive(Debug)]
struct Segment {
    file: SentFile,
    at: u64,
    left: usize,
}

/// What the stand-ins of one connection stand for, in their order.
#[derive(Clone, Debug, Default)]
pub struct FileQueue(Arc<Mutex<VecDeque<Segment>>>);

impl FileQueue {
    /// Gives the stand-in for up to [`MOST_BYTES`] of a file.
    pub fn stand_in(&self, file: &SentFile, at: u64, length: usize) -> Bytes {
        self.lock().push_back(Segment { file: file.clone(), at, left: length });
        Bytes::from_static(&NOTHING[..length])
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_stand_in(slice: &[u8]) -> bool {
    !slice.is_empty() && NOTHING.as_ptr_range().contains(&slice.as_ptr())
}

/// A client's socket that understands stand-ins, and outlives hyper's use of it.
pub struct FileStream {
    socket: Arc<TcpStream>,
    /// Read already, and not handed on yet.
    first: First,
    files: FileQueue,
    activity: Arc<Activity>,
}

/// hyper's buffers are not cleared further than this at once.
const READ_BYTES: usize = 16 * 1024;

impl FileStream {
    pub fn new(socket: Arc<TcpStream>, first: First, line: &ConnState) -> Self {
        let files = line.files.clone().unwrap_or_default();
        Self { socket, first, files, activity: line.activity.clone() }
    }

    fn poll_send(&self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            let mut segments = self.files.lock();
            let Some(segment) = segments.front_mut() else {
                return Poll::Ready(Err(io::Error::other("a stand-in for nothing")));
            };
            let mut at = i64::try_from(segment.at).map_err(io::Error::other)?;
            let count = wanted.min(segment.left);
            let sent = self.socket.try_io(Interest::WRITABLE, || {
                Ok(sendfile(self.socket.as_fd(), segment.file.as_fd(), Some(&mut at), count)?)
            });
            match sent {
                // The file became shorter: what was promised cannot be kept.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    segment.at += sent as u64;
                    segment.left -= sent;
                    if segment.left == 0 {
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
        let room = buffer.remaining().min(READ_BYTES);
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
        let before = slices.iter().take_while(|slice| !is_stand_in(slice)).count();
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

    /// hyper would copy the stand-ins together otherwise.
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
