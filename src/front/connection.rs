//! One connection: which protocol it speaks, its limits, and its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::address::Peer;
use super::answer::Body;
use super::bounds::{GOODBYE, HEAD, MOST_HEAD_BYTES, MOST_STREAMS, PING_EVERY, STREAM_CHUNK_BYTES};
use super::dispatch::answer;
use super::h2_resets::ResetWatch;
use super::line::ConnState;
use super::metrics::LetGo;
use super::paced::{Delivery, Paced};
use super::parking::{self, Activity};
use super::preface::{First, Protocol, read_first};
use super::sendfile::FileStream;
use super::shared::Shared;
use super::stream_turn::Streams;
use super::unparsed::Reason;

/// Speaks with the client until one of the two has enough.
pub async fn serve(socket: TcpStream, address: SocketAddr, shared: Arc<Shared>) {
    let begin_by = Instant::now() + HEAD;
    let _ = socket.set_nodelay(true);
    let peer = Peer { address, tls: shared.tls.is_some() };
    let socket = Arc::new(socket);
    // Boxed: who is silent is not to cost as much as who speaks.
    if peer.tls {
        Box::pin(speak_tls(socket, peer, shared, begin_by)).await;
    } else {
        speak_and_rest(socket, peer, shared, begin_by).await;
    }
}

/// Ends when a stop was asked for; a front whose owner has gone serves on.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
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
    line: ConnState,
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

async fn speak_tls(socket: Arc<TcpStream>, peer: Peer, shared: Arc<Shared>, begin_by: Instant) {
    let Some(tls) = &shared.tls else { return };
    let line = ConnState::default();
    let delivery = Delivery::new(socket.clone());
    let stream = FileStream::new(socket, First::default(), &line);
    let accepting = tls.accept(Paced::new(stream, delivery.clone(), shared.clone()));
    let Ok(stream) = Box::pin(accepting).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        Box::pin(speak_http2(stream, delivery, peer, shared.clone(), begin_by)).await;
    } else {
        let activity = line.activity.clone();
        let connection = speak_http1(stream, Answering { shared: shared.clone(), peer, line });
        let finish = Http1::graceful_shutdown;
        if let Some(ended) = Box::pin(to_its_end(connection, finish, &activity, &shared, begin_by)).await {
            note_refusal(&shared, peer, &ended);
        }
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

/// A connection in clear: HTTP/2, or HTTP/1 with rests in which hyper has no part.
async fn speak_and_rest(socket: Arc<TcpStream>, peer: Peer, shared: Arc<Shared>, begin_by: Instant) {
    let Some((mut first, protocol)) = begin(&socket, &shared, begin_by).await else { return };
    let mut begin_by = begin_by;
    if protocol == Protocol::Http2 {
        let delivery = Delivery::new(socket.clone());
        let stream = FileStream::new(socket, first, &ConnState::default());
        let stream = Paced::new(stream, delivery.clone(), shared.clone());
        return Box::pin(speak_http2(stream, delivery, peer, shared, begin_by)).await;
    }
    loop {
        let line = ConnState::that_sends_files();
        let stream = FileStream::new(socket.clone(), first, &line);
        let stream = Paced::new(stream, Delivery::new(socket.clone()), shared.clone());
        let answering = Answering { shared: shared.clone(), peer, line: line.clone() };
        let speaking = until_silent(speak_http1(stream, answering), &line.activity, &shared, begin_by);
        let ended = Box::pin(speaking).await;
        note_refusal(&shared, peer, &ended);
        if !ended.unwrap_or_default() {
            return;
        }
        begin_by = Instant::now() + HEAD;
        match begin(&socket, &shared, begin_by).await {
            Some((bytes, Protocol::Http1)) => first = bytes,
            _ => return,
        }
    }
}

/// Its first bytes, or those after a rest; none where they do not come, or a stop comes before.
async fn begin(socket: &TcpStream, shared: &Shared, begin_by: Instant) -> Option<(First, Protocol)> {
    let mut stop = shared.stop.subscribe();
    tokio::select! {
        read = timeout_at(begin_by, read_first(socket)) => read.ok()?.ok(),
        () = stopped(&mut stop) => None,
    }
}

/// Whether the connection goes on without hyper.
async fn until_silent(
    connection: Http1<Paced<FileStream>>,
    activity: &Activity,
    shared: &Shared,
    begin_by: Instant,
) -> hyper::Result<bool> {
    let mut connection = std::pin::pin!(connection);
    let mut stop = shared.stop.subscribe();
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
        if activity.begun() == 0 && Instant::now() >= begin_by {
            shared.metrics.let_go(LetGo::NoHead);
            return Ok(false);
        }
        if activity.is_silent_since(&mut seen) {
            activity.park();
            connection.as_mut().graceful_shutdown();
            return connection.await.map(|()| true);
        }
    }
}

async fn speak_http2<S>(
    stream: S,
    delivery: Arc<Delivery>,
    peer: Peer,
    shared: Arc<Shared>,
    begin_by: Instant,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let line = ConnState::of_streams(&shared);
    let activity = line.activity.clone();
    let streams = Streams { delivery, shared: shared.clone() };
    let refusals = shared.clone();
    let stream = ResetWatch::new(stream, move |code| {
        refusals.metrics.unparsed.count(peer.address, Reason::Http2, code);
    });
    let connection = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEAD_BYTES as u32)
        .max_send_buf_size(STREAM_CHUNK_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .serve_connection(TokioIo::new(stream), Answering { shared: shared.clone(), peer, line });
    let _ = to_its_end(connection, http2::Connection::graceful_shutdown, &activity, &shared, begin_by).await;
}

/// Until it ends by itself (then how), has been idle for too long, or has finished what it is at when a stop comes.
async fn to_its_end<C: Future>(
    connection: C,
    finish: fn(Pin<&mut C>),
    activity: &Activity,
    shared: &Shared,
    begin_by: Instant,
) -> Option<C::Output> {
    let mut connection = std::pin::pin!(connection);
    let mut stop = shared.stop.subscribe();
    let (mut seen, mut look_at) = (0, begin_by);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return Some(ended),
            () = stopped(&mut stop) => break,
            () = sleep_until(look_at) => {}
        }
        if activity.is_idle_since(&mut seen) {
            if seen == 0 {
                shared.metrics.let_go(LetGo::NoHead);
            }
            break;
        }
        look_at = Instant::now() + HEAD;
    }
    finish(connection.as_mut());
    // A client that gives a stream no room, or never ended its first words, does not end by itself.
    loop {
        tokio::select! {
            ended = connection.as_mut() => return Some(ended),
            () = sleep(GOODBYE) => {}
        }
        if activity.is_at_rest() {
            return None;
        }
    }
}
