//! One client connection: its protocol, its limits and its end.

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
use tokio::time::{Instant, timeout_at};

use super::address::Peer;
use super::answer::Body;
use super::bounds::{HEAD_TIMEOUT, MAX_HEAD_BYTES, MAX_STREAMS, PING_INTERVAL, STREAM_CHUNK_BYTES};
use super::conn_state::ConnState;
use super::connection_end::{run_to_end, run_until_parkable, wait_for_stop};
use super::dispatch::answer;
use super::h2_resets::ResetWatch;
use super::metrics::DropReason;
use super::parse_errors::Reason;
use super::preface::{FirstBytes, Protocol, read_first_bytes};
use super::proxy_protocol::client_of;
use super::sendfile::FileStream;
use super::shared::Shared;
use super::stream_wait::StreamExecutor;
use super::write_timeout::{Delivery, WriteTimeout};

/// Serves a connection until either side closes it.
pub async fn serve(socket: TcpStream, address: SocketAddr, shared: Arc<Shared>) {
    let head_deadline = Instant::now() + HEAD_TIMEOUT;
    let _ = socket.set_nodelay(true);
    let mut address = address;
    if shared.settings.proxy_protocol.contains(address.ip()) {
        match Box::pin(client_of(&socket, address, &shared, head_deadline)).await {
            Some(client) => address = client,
            None => return,
        }
    }
    let peer = Peer { address, tls: shared.tls.is_some() };
    let socket = Arc::new(socket);
    // Boxed, so that an idle connection needs less memory than an active one.
    if peer.tls {
        Box::pin(serve_tls(socket, peer, shared, head_deadline)).await;
    } else {
        serve_plain(socket, peer, shared, head_deadline).await;
    }
}

/// Counts a request that hyper could not parse: it never reached [`RequestService`].
fn note_parse_error<T>(shared: &Shared, peer: Peer, ended: &hyper::Result<T>) {
    if let Err(error) = ended {
        shared.metrics.parse_errors.ended(peer.address, error);
    }
}

/// Answers the requests of one connection.
struct RequestService {
    shared: Arc<Shared>,
    peer: Peer,
    conn: ConnState,
}

impl Service<Request<Incoming>> for RequestService {
    type Response = Response<Body>;
    type Error = Infallible;
    /// Boxed, so that a connection does not need the memory of its largest possible request.
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (shared, peer, conn) = (self.shared.clone(), self.peer, self.conn.clone());
        Box::pin(async move { Ok(answer(&shared, peer, conn, request).await) })
    }
}

async fn serve_tls(socket: Arc<TcpStream>, peer: Peer, shared: Arc<Shared>, head_deadline: Instant) {
    let Some(tls) = &shared.tls else { return };
    let conn = ConnState::default();
    let delivery = Delivery::new(socket.clone());
    let stream = FileStream::new(socket, FirstBytes::default(), &conn);
    let accepting = tls.accept(WriteTimeout::new(stream, delivery.clone(), shared.clone()));
    let Ok(stream) = Box::pin(accepting).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        Box::pin(serve_http2(stream, delivery, peer, shared.clone(), head_deadline)).await;
    } else {
        let activity = conn.activity.clone();
        let connection = http1_connection(stream, RequestService { shared: shared.clone(), peer, conn });
        let finish = Http1::graceful_shutdown;
        if let Some(ended) = Box::pin(run_to_end(connection, finish, &activity, &shared, head_deadline)).await
        {
            note_parse_error(&shared, peer, &ended);
        }
    }
}

type Http1<S> = http1::UpgradeableConnection<TokioIo<S>, RequestService>;

fn http1_connection<S>(stream: S, service: RequestService) -> Http1<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
}

/// Serves a connection without TLS: HTTP/2, or HTTP/1, which is parked without hyper while it is idle.
async fn serve_plain(socket: Arc<TcpStream>, peer: Peer, shared: Arc<Shared>, head_deadline: Instant) {
    let Some((mut first, protocol)) = read_protocol(&socket, &shared, head_deadline).await else { return };
    let mut head_deadline = head_deadline;
    if protocol == Protocol::Http2 {
        let delivery = Delivery::new(socket.clone());
        let stream = FileStream::new(socket, first, &ConnState::default());
        let stream = WriteTimeout::new(stream, delivery.clone(), shared.clone());
        return Box::pin(serve_http2(stream, delivery, peer, shared, head_deadline)).await;
    }
    loop {
        let conn = ConnState::for_http1();
        let stream = FileStream::new(socket.clone(), first, &conn);
        let stream = WriteTimeout::new(stream, Delivery::new(socket.clone()), shared.clone());
        let service = RequestService { shared: shared.clone(), peer, conn: conn.clone() };
        let connection = http1_connection(stream, service);
        let serving =
            run_until_parkable(connection, Http1::graceful_shutdown, &conn.activity, &shared, head_deadline);
        let ended = Box::pin(serving).await;
        note_parse_error(&shared, peer, &ended);
        if !ended.unwrap_or_default() {
            return;
        }
        head_deadline = Instant::now() + HEAD_TIMEOUT;
        match read_protocol(&socket, &shared, head_deadline).await {
            Some((bytes, Protocol::Http1)) => first = bytes,
            _ => return,
        }
    }
}

/// Reads the first bytes, or those after parking. None if they do not arrive in time or a stop begins.
async fn read_protocol(
    socket: &TcpStream,
    shared: &Shared,
    head_deadline: Instant,
) -> Option<(FirstBytes, Protocol)> {
    let mut stop = shared.stop.subscribe();
    tokio::select! {
        read = timeout_at(head_deadline, read_first_bytes(socket)) => read.ok()?.ok(),
        () = wait_for_stop(&mut stop) => None,
        () = shared.connections.room_is_needed() => {
            shared.metrics.count_drop(DropReason::IdleAtLimit);
            None
        }
    }
}

async fn serve_http2<S>(
    stream: S,
    delivery: Arc<Delivery>,
    peer: Peer,
    shared: Arc<Shared>,
    head_deadline: Instant,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conn = ConnState::for_http2(&shared);
    let activity = conn.activity.clone();
    let streams = StreamExecutor { delivery, shared: shared.clone() };
    let counting = shared.clone();
    let stream = ResetWatch::new(stream, move |code| {
        counting.metrics.parse_errors.count(peer.address, Reason::Http2, code);
    });
    let connection = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_send_buf_size(STREAM_CHUNK_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .serve_connection(TokioIo::new(stream), RequestService { shared: shared.clone(), peer, conn });
    let _ =
        run_to_end(connection, http2::Connection::graceful_shutdown, &activity, &shared, head_deadline).await;
}
