//! One client connection: TLS, HTTP/1 or HTTP/2, and its limits.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::io::InspectWriter;

use super::answer::Body;
use super::bounds::{HEAD_TIMEOUT, MAX_HEAD_BYTES, MAX_STREAMS, MAX_UNSENT_BYTES, STREAM_CHUNK_BYTES};
use super::client_stream::ClientStream;
use super::conn::Conn;
use super::connection_end::run_to_end;
use super::connections::Permit;
use super::dispatch::answer;
use super::h2_resets::{Frames, REFUSED_STREAM};
use super::handshake::handshake;
use super::https_redirect;
use super::parse_errors::Reason;
use super::proxy_protocol::client_of;
use super::request_body::RequestBody;
use super::shared::Shared;
use super::stream_wait::StreamExecutor;
use crate::clients::address::Peer;
use crate::sys::socket::limit_unsent_bytes;

/// What a port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Site,
    /// Redirects to https, without TLS.
    Redirect,
}

/// Serves a connection until either side closes it.
pub async fn serve(
    socket: TcpStream,
    mut address: SocketAddr,
    shared: Arc<Shared>,
    port: Port,
    permit: Option<Permit>,
) {
    let accepted = Instant::now();
    let _ = socket.set_nodelay(true);
    limit_unsent_bytes(&socket, MAX_UNSENT_BYTES);
    let mut unread = Vec::new();
    if shared.settings.proxy_protocol.contains(address.ip()) {
        match Box::pin(client_of(&socket, address, &shared, port, accepted + HEAD_TIMEOUT)).await {
            Some(client) => (address, unread) = client,
            None => return,
        }
    }
    let tls = shared.tls.as_ref().filter(|_| port == Port::Site);
    let peer = Peer { address, tls: tls.is_some() };
    let socket = ClientStream::new(socket, unread);
    let service = RequestService { shared: shared.clone(), peer, port, conn: Conn::new(permit) };
    match tls {
        Some(tls) => {
            let shaken = Box::pin(handshake(tls, socket.clone(), &service.shared, address)).await;
            let Some(stream) = shaken else { return };
            Box::pin(serve_http(stream, socket, service, accepted)).await;
        }
        None => serve_http(socket.clone(), socket, service, accepted).await,
    }
}

/// Answers the requests of one connection.
struct RequestService {
    shared: Arc<Shared>,
    peer: Peer,
    port: Port,
    conn: Arc<Conn>,
}

impl Service<Request<Incoming>> for RequestService {
    type Response = Response<Body>;
    type Error = Infallible;
    /// Boxed, so that a connection does not need the memory of its largest possible request.
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (shared, peer, active) = (self.shared.clone(), self.peer, self.conn.begin_request());
        let request = RequestBody::of(request);
        match self.port {
            Port::Site => Box::pin(async move { Ok(answer(&shared, peer, active, request).await) }),
            Port::Redirect => Box::pin(async move {
                let _active = active;
                Ok(https_redirect::answer(&shared, peer, &request).await)
            }),
        }
    }
}

/// Serves HTTP/1 or HTTP/2, as the client's first bytes say. `socket` is below `stream`.
async fn serve_http<S>(stream: S, socket: ClientStream, service: RequestService, accepted: Instant)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let RequestService { shared, peer, conn, .. } = &service;
    let (shared, conn, address) = (shared.clone(), conn.clone(), peer.address);
    let (counting, mut frames) = (shared.clone(), Frames::default());
    let stream = InspectWriter::new(stream, move |bytes: &[u8]| {
        frames.scan(bytes, &mut |code| match code {
            REFUSED_STREAM => counting.metrics.refusals.count_stream(address.ip()),
            _ => counting.metrics.parse_errors.count(address, Reason::Http2, code),
        });
    });
    let builder = builder(StreamExecutor { socket: socket.clone(), shared: shared.clone() });
    let connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let finish = auto::UpgradeableConnection::graceful_shutdown;
    if let Some(Err(error)) = run_to_end(connection, finish, &conn, &socket, &shared, accepted).await {
        shared.metrics.parse_errors.ended(address, error.as_ref());
    }
}

fn builder(streams: StreamExecutor) -> auto::Builder<StreamExecutor> {
    let mut builder = auto::Builder::new(streams);
    // The deadlines of both protocols are in connection_end.rs. A ping would wait behind megabytes in the socket's
    // buffer, and its timeout would disconnect a slow reader.
    builder.http1().header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_send_buf_size(STREAM_CHUNK_BYTES);
    builder
}
