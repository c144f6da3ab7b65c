//! One connection: which protocol it speaks, its limits, and its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::address::Peer;
use super::dispatch::answer;
use super::sendfile::{FileQueue, FileStream};
use super::shared::Shared;

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
            Box::pin(speak_http1(stream, None, peer, shared, stop)).await;
        }
        return;
    }
    match asks_for_http2(&socket, stop.clone()).await {
        Some(true) => Box::pin(speak_http2(socket, peer, shared, stop)).await,
        Some(false) => {
            let stream = FileStream::new(socket);
            let files = Some(stream.queue());
            Box::pin(speak_http1(stream, files, peer, shared, stop)).await;
        }
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

async fn speak_http1<S>(
    stream: S,
    files: Option<FileQueue>,
    peer: Peer,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (shared, files) = (shared.clone(), files.clone());
        async move { Ok::<_, Infallible>(answer(&shared, peer, files, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    to_its_end(connection, http1::UpgradeableConnection::graceful_shutdown, stop).await;
}

async fn speak_http2<S>(stream: S, peer: Peer, shared: Arc<Shared>, stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(&shared, peer, None, request).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEAD_BYTES as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .serve_connection(TokioIo::new(stream), service);
    to_its_end(connection, http2::Connection::graceful_shutdown, stop).await;
}

/// A stop lets it finish what it is at. A connection that breaks is the client's to tell.
async fn to_its_end<C: Future>(connection: C, finish: fn(Pin<&mut C>), mut stop: watch::Receiver<bool>) {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => finish(connection.as_mut()),
    }
    let _ = connection.await;
}
