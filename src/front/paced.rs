//! A client's connection whose bytes have to be taken: a client that takes none of what is written to it
//! is let go, however many bytes are left. A client that is slow and steady stays, and so does one to whom
//! nothing is being written.
//!
//! The socket's own buffer hides what a slow client does: it is written to again when a third of it is free,
//! which may be a megabyte. The kernel is therefore asked how much the other side has acknowledged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::bounds::LEAST_TAKEN_BYTES;
use super::metrics::LetGo;
use super::patience::Patience;
use super::shared::Shared;
use crate::sys::socket::{reset_on_close, unacknowledged_bytes};

/// What is on its way to a client.
#[derive(Debug)]
pub struct Delivery {
    socket: Arc<TcpStream>,
    written_bytes: AtomicU64,
    is_blocked: AtomicBool,
}

impl Delivery {
    pub fn new(socket: Arc<TcpStream>) -> Arc<Self> {
        Arc::new(Self { socket, written_bytes: AtomicU64::new(0), is_blocked: AtomicBool::new(false) })
    }

    /// Whether the network has bytes that the client has not taken.
    pub fn is_under_way(&self) -> bool {
        self.is_blocked.load(Relaxed) || unacknowledged_bytes(&*self.socket) > 0
    }

    fn taken_bytes(&self) -> u64 {
        self.written_bytes.load(Relaxed).saturating_sub(unacknowledged_bytes(&*self.socket))
    }
}

pub struct Paced<S> {
    stream: S,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    patience: Patience,
    /// What the client had taken when it was last looked at.
    taken_before: u64,
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    pause: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<S> Paced<S> {
    pub fn new(stream: S, delivery: Arc<Delivery>, shared: Arc<Shared>) -> Self {
        let patience = Patience::new(LEAST_TAKEN_BYTES);
        Self { stream, delivery, shared, patience, taken_before: 0, waiting: None }
    }

    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => self.has_written(*count as u64),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                ready!(self.poll_patience(cx));
                self.shared.metrics.let_go(LetGo::UnreadAnswer);
                reset_on_close(&*self.delivery.socket);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }

    /// There was room for it because the client took as much.
    fn has_written(&mut self, count: u64) {
        self.delivery.written_bytes.fetch_add(count, Relaxed);
        let Some(waiting) = self.waiting.take() else { return };
        self.delivery.is_blocked.store(false, Relaxed);
        self.patience.has_moved(count, waiting.since.elapsed(), self.shared.is_stopping());
    }

    /// Ready when the client has had its time and has not taken enough.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.waiting.is_none() && self.patience.is_fresh() {
                self.taken_before = self.delivery.taken_bytes();
            }
            self.delivery.is_blocked.store(true, Relaxed);
            let waiting = self.waiting.get_or_insert_with(|| Waiting {
                since: Instant::now(),
                pause: Box::pin(self.patience.pause(self.shared.stop.subscribe())),
            });
            ready!(waiting.pause.as_mut().poll(cx));
            let waited = waiting.since.elapsed();
            self.waiting = None;
            let taken = self.delivery.taken_bytes();
            let moved = taken.saturating_sub(std::mem::replace(&mut self.taken_before, taken));
            let is_stopping = self.shared.is_stopping();
            self.patience.has_moved(moved, waited, is_stopping);
            if self.patience.is_over(is_stopping) {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
