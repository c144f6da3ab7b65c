//! The socket of a client. Besides hyper, the watch over the connection uses it (connection_end.rs).
//!
//! The socket's buffer hides the progress of a slow client: it becomes writable when a third of it is free, which
//! may be a megabyte. Therefore the kernel is asked how many bytes the client has acknowledged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::sys::socket::{reset_on_close, unacknowledged_bytes};

#[derive(Clone, Debug)]
pub struct ClientStream(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    socket: TcpStream,
    /// Bytes that were read from the socket before, and are read first.
    unread: Bytes,
    written_bytes: u64,
}

impl ClientStream {
    pub fn new(socket: TcpStream, unread: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { socket, unread: unread.into(), written_bytes: 0 })))
    }

    /// True if bytes were sent that the client has not acknowledged.
    pub fn has_unacknowledged(&self) -> bool {
        self.acknowledged_of_more().is_some()
    }

    /// The number of bytes that the client has acknowledged. None if these are all.
    pub fn acknowledged_of_more(&self) -> Option<u64> {
        let state = self.state();
        let unacknowledged_bytes = unacknowledged_bytes(&state.socket);
        (unacknowledged_bytes > 0).then(|| state.written_bytes.saturating_sub(unacknowledged_bytes))
    }

    /// Discards what the client has not read once the socket is closed.
    pub fn reset_on_close(&self) {
        reset_on_close(&self.state().socket);
    }

    /// Never contended: one task reads, writes and watches.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(
        &self,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let written = write(Pin::new(&mut state.socket));
        if let Poll::Ready(Ok(count)) = &written {
            state.written_bytes += *count as u64;
        }
        written
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.unread.is_empty() {
            return Pin::new(&mut state.socket).poll_read(cx, buffer);
        }
        let length = state.unread.len().min(buffer.remaining());
        buffer.put_slice(&state.unread.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(|socket| socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|socket| socket.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.state().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.state().socket).poll_shutdown(cx)
    }
}
