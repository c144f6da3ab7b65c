//! The write timeout of a client connection: a client that reads nothing of what is sent to it is disconnected,
//! however many bytes are left. A slow but steady client stays connected, and so does one to which nothing is being
//! sent.
//!
//! The socket's buffer hides the progress of a slow client: it becomes writable when a third of it is free, which
//! may be a megabyte. Therefore the kernel is asked how many bytes the client has acknowledged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::bounds::MIN_RESPONSE_BYTES;
use super::client_timeout::ClientTimeout;
use super::metrics::DropReason;
use super::shared::Shared;
use crate::sys::socket::{reset_on_close, unacknowledged_bytes};

/// The bytes in transit to a client.
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

    /// True if bytes were sent that the client has not acknowledged.
    pub fn has_unacknowledged(&self) -> bool {
        self.is_blocked.load(Relaxed) || unacknowledged_bytes(&*self.socket) > 0
    }

    fn acknowledged_bytes(&self) -> u64 {
        self.written_bytes.load(Relaxed).saturating_sub(unacknowledged_bytes(&*self.socket))
    }
}

pub struct WriteTimeout<S> {
    stream: S,
    delivery: Arc<Delivery>,
    shared: Arc<Shared>,
    client_timeout: ClientTimeout,
    /// The bytes that the client had acknowledged at the last check.
    acknowledged_before: u64,
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    pause: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<S> WriteTimeout<S> {
    pub fn new(stream: S, delivery: Arc<Delivery>, shared: Arc<Shared>) -> Self {
        let client_timeout = ClientTimeout::new(MIN_RESPONSE_BYTES);
        Self { stream, delivery, shared, client_timeout, acknowledged_before: 0, waiting: None }
    }

    fn check_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => self.record_written(*count as u64),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                ready!(self.poll_timeout(cx));
                self.shared.metrics.count_drop(DropReason::UnreadAnswer);
                reset_on_close(&*self.delivery.socket);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }

    /// Records bytes that were written. There was room for them because the client read as many.
    fn record_written(&mut self, count: u64) {
        self.delivery.written_bytes.fetch_add(count, Relaxed);
        let Some(waiting) = self.waiting.take() else { return };
        self.delivery.is_blocked.store(false, Relaxed);
        self.client_timeout.record(count, waiting.since.elapsed(), self.shared.is_stopping());
    }

    /// Ready when the client has not read enough in time.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.waiting.is_none() && self.client_timeout.is_fresh() {
                self.acknowledged_before = self.delivery.acknowledged_bytes();
            }
            self.delivery.is_blocked.store(true, Relaxed);
            let waiting = self.waiting.get_or_insert_with(|| Waiting {
                since: Instant::now(),
                pause: Box::pin(self.client_timeout.pause(self.shared.stop.subscribe())),
            });
            ready!(waiting.pause.as_mut().poll(cx));
            let waited = waiting.since.elapsed();
            self.waiting = None;
            let acknowledged = self.delivery.acknowledged_bytes();
            let progress =
                acknowledged.saturating_sub(std::mem::replace(&mut self.acknowledged_before, acknowledged));
            let is_stopping = self.shared.is_stopping();
            self.client_timeout.record(progress, waited, is_stopping);
            if self.client_timeout.is_expired(is_stopping) {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.check_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.check_write(cx, written)
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
