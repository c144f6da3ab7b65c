//! Pooled connections to an upstream server, and what a broken connection means for its request.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::net::resolve::resolve;
use bytes::Bytes;
use hyper::body::{Body as _, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Sleep, sleep};

use super::answer::Body;
use super::bounds::UPSTREAM_BUFFER_BYTES;

#[derive(Debug)]
pub enum Target {
    Unix(PathBuf),
    Tcp(String, u16),
}

/// In the extensions of a response: the time until its head, from the end of the request.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamTime(pub Duration);

/// After a reload, old workers run for as long as new ones need to start. A request that waits at an old worker is
/// answered only when that worker has ended.
const RELOAD_TIME: Duration = Duration::from_secs(60);
const MAX_IDLE_CONNECTIONS: usize = 64;

#[derive(Debug)]
pub struct Upstream {
    target: Target,
    /// A connection that was idle for longer is not reused: the server may be closing it.
    reuse_within: Duration,
    /// The longest pause of a response body.
    read_timeout: Duration,
    pool: Mutex<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<(SendRequest<Body>, Instant)>,
    /// Until then every request gets a connection of its own.
    reloading_until: Option<Instant>,
}

/// The reason why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection was possible; the request was not sent.
    #[error("no connection: {0}")]
    Unavailable(io::Error),
    /// The connection ended before any of the request was sent.
    #[error("closed before the request was sent")]
    Unsent,
    /// The connection was reset, which the kernel does if the peer has left bytes unread (unix(7)).
    #[error("reset: {0}")]
    Reset(hyper::Error),
    /// The connection ended, or the response was invalid; the request may have been processed.
    #[error("connection broken: {0}")]
    Broken(hyper::Error),
}

impl Upstream {
    pub fn new(target: Target, reuse_within: Duration, read_timeout: Duration) -> Self {
        Self { target, reuse_within, read_timeout, pool: Mutex::default() }
    }

    /// Marks the server's processes as being replaced: no request goes to an old one.
    pub fn begin_reload(&self) {
        *self.pool() = Pool { idle: Vec::new(), reloading_until: Some(Instant::now() + RELOAD_TIME) };
    }

    /// Sends a request. Idle connections are tried first.
    pub async fn send(self: &Arc<Self>, request: Request<Body>) -> Result<Response<Reply>, Failure> {
        let mut request = request;
        while let Some(mut sender) = self.take_idle() {
            if sender.ready().await.is_err() {
                continue;
            }
            match self.send_on(sender, request).await {
                Err((Failure::Unsent, Some(unsent))) => request = *unsent,
                result => return result.map_err(|(failure, _)| failure),
            }
        }
        let sender = self.connect().await.map_err(Failure::Unavailable)?;
        self.send_on(sender, request).await.map_err(|(failure, _)| failure)
    }

    async fn send_on(
        self: &Arc<Self>,
        mut sender: SendRequest<Body>,
        request: Request<Body>,
    ) -> Result<Response<Reply>, (Failure, Option<Box<Request<Body>>>)> {
        match sender.try_send_request(request).await {
            Ok(response) => {
                let lease = Some(Lease { sender, upstream: self.clone() });
                let read_timeout = self.read_timeout;
                Ok(response.map(|incoming| Reply { incoming, lease, read_timeout, pause_end: None }))
            }
            Err(mut error) => match error.take_message() {
                Some(unsent) => Err((Failure::Unsent, Some(Box::new(unsent)))),
                None => Err((classify(error.into_error()), None)),
            },
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Body>> {
        let idle = &mut self.pool().idle;
        while let Some((sender, since)) = idle.pop() {
            if since.elapsed() > self.reuse_within {
                // The others have been idle for longer.
                idle.clear();
            } else if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn put_back(&self, sender: SendRequest<Body>) {
        let mut pool = self.pool();
        let is_reloading = pool.reloading_until.is_some_and(|until| Instant::now() < until);
        let is_reusable = !self.reuse_within.is_zero() && !sender.is_closed();
        if is_reusable && !is_reloading && pool.idle.len() < MAX_IDLE_CONNECTIONS {
            pool.idle.push((sender, Instant::now()));
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> io::Result<SendRequest<Body>> {
        match &self.target {
            Target::Unix(path) => handshake(TokioIo::new(UnixStream::connect(path).await?)).await,
            Target::Tcp(host, port) => {
                let socket = TcpStream::connect(&resolve(host, *port).await?[..]).await?;
                let _ = socket.set_nodelay(true);
                handshake(TokioIo::new(socket)).await
            }
        }
    }
}

async fn handshake(io: impl Read + Write + Send + Unpin + 'static) -> io::Result<SendRequest<Body>> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(UPSTREAM_BUFFER_BYTES)
        .handshake(io)
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

fn classify(error: hyper::Error) -> Failure {
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(cause) = next {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)) {
            return Failure::Reset(error);
        }
        next = cause.source();
    }
    if error.is_canceled() { Failure::Unsent } else { Failure::Broken(error) }
}

/// A response body that returns its connection to the pool once it was read completely.
pub struct Reply {
    incoming: Incoming,
    lease: Option<Lease>,
    read_timeout: Duration,
    /// Set while we wait for the next bytes.
    pause_end: Option<Pin<Box<Sleep>>>,
}

struct Lease {
    sender: SendRequest<Body>,
    upstream: Arc<Upstream>,
}

impl Reply {
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                return self.poll_pause_end(cx).map(|stalled| Some(Err(stalled)));
            };
            self.pause_end = None;
            match frame {
                Some(Ok(frame)) => {
                    // Trailers belong to the upstream connection.
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Ready with an error once no byte came for the read timeout, as nginx's `proxy_read_timeout` has it.
    fn poll_pause_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let read_timeout = self.read_timeout;
        let pause_end = self.pause_end.get_or_insert_with(|| Box::pin(sleep(read_timeout)));
        pause_end.as_mut().poll(cx).map(|()| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no byte came for {} s", read_timeout.as_secs_f64()),
            )
        })
    }

    pub fn is_end(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take().filter(|_| self.incoming.is_end_stream()) {
            lease.upstream.put_back(lease.sender);
        }
    }
}
