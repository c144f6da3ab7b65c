//! One connection: which protocol it speaks, its limits, and its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::address::Peer;
use super::answer::Body;
use super::dispatch::answer;
use super::h2_resets::ResetWatch;
use super::parking::{self, Activity};
use super::sendfile::{FileStream, Line};
use super::shared::Shared;
use super::unparsed::Reason;

/// For a whole head, and between two requests: longer than the 60 s that load balancers keep idle
/// connections for, so that they close them and not we.
const HEAD: Duration = Duration::from_secs(75);
/// nginx's for large headers is 32 KB in four; cookies of many sites on one domain add up.
const MOST_HEAD_BYTES: usize = 64 * 1024;
const MOST_STREAMS: u32 = 128;
/// HTTP/2 has no idle timeout of its own; who does not answer this has gone.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Speaks with the client until one of the two has enough.
pub async fn serve(socket: TcpStream, address: SocketAddr, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let _ = socket.set_nodelay(true);
    let peer = Peer { address, tls: shared.tls.is_some() };
    // Boxed: who is silent is not to cost as much as who speaks.
    if let Some(tls) = &shared.tls {
        let Ok(stream) = Box::pin(tls.accept(socket)).await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            Box::pin(speak_http2(stream, peer, shared, stop)).await;
        } else {
            let connection = speak_http1(stream, Answering { shared: shared.clone(), peer, line: None });
            let ended = Box::pin(to_its_end(connection, Http1::graceful_shutdown, stop)).await;
            note_refusal(&shared, peer, &ended);
        }
        return;
    }
    match asks_for_http2(&socket, stop.clone()).await {
        Some(true) => Box::pin(speak_http2(socket, peer, shared, stop)).await,
        Some(false) => speak_and_rest(socket, peer, shared, stop).await,
        None => {}
    }
}

/// Ends when a stop was asked for; a front whose owner has gone serves on.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// HTTP/2 in clear begins with `PRI * HTTP/2.0`, and no method does. Who says nothing costs no buffer.
async fn asks_for_http2(socket: &TcpStream, mut stop: watch::Receiver<bool>) -> Option<bool> {
    const PREFACE: &[u8] = b"PRI ";
    let deadline = Instant::now() + HEAD;
    let mut first = [0; PREFACE.len()];
    loop {
        let count = tokio::select! {
            peeked = timeout_at(deadline, socket.peek(&mut first)) => peeked.ok()?.ok()?,
            () = stopped(&mut stop) => return None,
        };
        if count == 0 {
            return None;
        }
        if first[..count] != PREFACE[..count] {
            return Some(false);
        }
        if count == PREFACE.len() {
            return Some(true);
        }
        // `P`, and the rest is under way.
        sleep(Duration::from_millis(1)).await;
    }
}

/// What hyper refused in parsing never reached `Answering`.
fn note_refusal<T>(shared: &Shared, peer: Peer, ended: &hyper::Result<T>) {
    if let Err(error) = ended {
        shared.metrics.unparsed.ended(peer.address, error);
    }
}

/// Answers requests of one connection.
struct Answering {
    shared: Arc<Shared>,
    peer: Peer,
    /// None where neither files nor idle connections are dealt with apart: TLS and HTTP/2.
    line: Option<Line>,
}

impl Service<Request<Incoming>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    /// Boxed: a connection is not to be as large as the largest thing that it may once do.
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (shared, peer, line) = (self.shared.clone(), self.peer, self.line.clone());
        Box::pin(async move { Ok(answer(&shared, peer, line, request).await) })
    }
}

type Http1<S> = http1::UpgradeableConnection<TokioIo<S>, Answering>;

fn speak_http1<S>(stream: S, answering: Answering) -> Http1<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answering)
        .with_upgrades()
}

/// HTTP/1 in clear, with rests in which hyper has no part.
async fn speak_and_rest(socket: TcpStream, peer: Peer, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let socket = Arc::new(socket);
    loop {
        let stream = FileStream::new(socket.clone());
        let line = stream.line();
        let answering = Answering { shared: shared.clone(), peer, line: Some(line.clone()) };
        let speaking = until_silent(speak_http1(stream, answering), &line.activity, stop.clone());
        let ended = Box::pin(speaking).await;
        note_refusal(&shared, peer, &ended);
        if !ended.unwrap_or_default() || asks_for_http2(&socket, stop.clone()).await != Some(false) {
            return;
        }
    }
}

/// Whether the connection goes on without hyper.
async fn until_silent(
    connection: Http1<FileStream>,
    activity: &Activity,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<bool> {
    let mut connection = std::pin::pin!(connection);
    let mut seen = 0;
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended.map(|()| false),
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                return connection.await.map(|()| false);
            }
            () = sleep(parking::AFTER) => {}
        }
        if activity.is_silent_since(&mut seen) {
            activity.park();
            connection.as_mut().graceful_shutdown();
            return connection.await.map(|()| true);
        }
    }
}

async fn speak_http2<S>(stream: S, peer: Peer, shared: Arc<Shared>, stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answering = Answering { shared: shared.clone(), peer, line: None };
    let stream = ResetWatch::new(stream, move |code| {
        shared.metrics.unparsed.count(peer.address, Reason::Http2, code);
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEAD_BYTES as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .serve_connection(TokioIo::new(stream), answering);
    let _ = to_its_end(connection, http2::Connection::graceful_shutdown, stop).await;
}

/// A stop lets it finish what it is at. A connection that breaks is the client's to tell.
async fn to_its_end<C: Future>(
    connection: C,
    finish: fn(Pin<&mut C>),
    mut stop: watch::Receiver<bool>,
) -> C::Output {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stopped(&mut stop) => finish(connection.as_mut()),
    }
    connection.await
}
