//! The web port: who comes is accepted, spoken to in the protocol he speaks, and sent where he asks for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use super::address::{Client, Peer};
use super::answer::Body;
use super::error_page::{Reader, Refusal, page};
use super::exchange::Exchange;
use super::metrics::Class;
use super::open::{Wanted, find};
use super::route::{Route, route};
use super::runtime::Runtime;
use super::shared::{Settings, Shared};
use super::static_file::{self, Manner};
use super::tls::Tls;
use super::{proxy, socketio, status_page};
use crate::health::account::Board;
use crate::outcome::{Fault, Result};
use crate::sys::limits;

/// For a whole head, and between two requests: longer than the 60 s that load balancers keep idle
/// connections for, so that they close them and not we.
const HEAD: Duration = Duration::from_secs(75);
/// nginx's for large headers is 32 KB in four; cookies of many sites on one domain add up.
const MOST_HEAD_BYTES: usize = 64 * 1024;
const MOST_STREAMS: u32 = 128;
/// HTTP/2 has no idle timeout of its own; who does not answer this has gone.
const PING_EVERY: Duration = Duration::from_secs(30);

/// The running front.
#[derive(Clone, Debug)]
pub struct Front {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

impl Front {
    /// Answers on the listener from now on: with the status page, until it is opened.
    ///
    /// # Errors
    /// A runtime folder or a certificate that cannot be used.
    pub fn start(listener: TcpListener, settings: Settings, runtime: &Path, board: Board) -> Result<Self> {
        let tls = settings.tls.clone().map(Tls::new).transpose()?;
        let address = listener.local_addr().map_err(|error| {
            Fault::configuration(format!("no address to listen on: {error}"), "set CAULDRON_WEB_ADDR")
        })?;
        let runtime = Runtime::new(runtime)?;
        let shared = Arc::new(Shared::new(settings, address, runtime, tls, board.clone()));
        board.update(|account| {
            account.front = Some((shared.metrics.clone(), shared.in_flight.clone()));
        });
        let stop = watch::Sender::new(false);
        tokio::spawn(accept(listener, shared.clone(), stop.subscribe()));
        Ok(Self { shared, stop })
    }

    /// Where gunicorn is to listen.
    pub fn socket(&self) -> PathBuf {
        self.shared.runtime.socket()
    }

    /// From now on gunicorn is asked, and waited for where it is not there yet.
    pub fn open(&self) {
        self.shared.set_open(true);
    }

    /// gunicorn will not come back: the status page again.
    pub fn close(&self) {
        self.shared.set_open(false);
    }

    /// gunicorn reloads: no request goes to a worker that is about to end.
    pub fn renew(&self) {
        self.shared.gunicorn.renew();
    }

    /// Refuses new connections, ends idle ones, and waits until every request has its answer.
    pub async fn quiesce(&self) {
        self.stop.send_replace(true);
        self.shared.in_flight.none().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits::most_connections()));
    loop {
        // Who finds no place waits in the kernel's queue, where he costs next to nothing.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => {
                let (shared, stop) = (shared.clone(), stop.clone());
                tokio::spawn(async move {
                    serve(socket, address, shared, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // They came before we refused.
    while let Ok(Ok((socket, address))) = timeout(Duration::ZERO, listener.accept()).await {
        tokio::spawn(serve(socket, address, shared.clone(), stop.clone()));
    }
}

async fn serve(socket: TcpStream, address: SocketAddr, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let _ = socket.set_nodelay(true);
    let peer = Peer { address, tls: shared.tls.is_some() };
    if let Some(tls) = &shared.tls {
        let Ok(stream) = tls.accept(socket).await else { return };
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        speak(stream, is_http2, peer, shared, stop).await;
    } else if let Some(is_http2) = asks_for_http2(&socket, stop.clone()).await {
        speak(socket, is_http2, peer, shared, stop).await;
    }
}

/// HTTP/2 in clear begins with `PRI * HTTP/2.0`, and no method does. Who says nothing costs no buffer.
async fn asks_for_http2(socket: &TcpStream, mut stop: watch::Receiver<bool>) -> Option<bool> {
    const PREFACE: &[u8] = b"PRI ";
    let deadline = Instant::now() + HEAD;
    let mut first = [0; PREFACE.len()];
    loop {
        let count = tokio::select! {
            peeked = tokio::time::timeout_at(deadline, socket.peek(&mut first)) => peeked.ok()?.ok()?,
            _ = stop.wait_for(|stop| *stop) => return None,
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

async fn speak<S>(stream: S, is_http2: bool, peer: Peer, shared: Arc<Shared>, mut stop: watch::Receiver<bool>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(&shared, peer, request).await) }
    });
    // A connection that breaks is the client's to tell.
    if is_http2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(MOST_HEAD_BYTES as u32)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_EVERY);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MOST_HEAD_BYTES);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

async fn answer(shared: &Arc<Shared>, peer: Peer, request: Request<Incoming>) -> Response<Body> {
    let route = route(request.uri().path());
    let reader = Reader::of(request.uri(), request.headers());
    let version = request.version();
    let client = Client::of(&request, peer, &shared.settings.trusted);
    let address = client.as_ref().map_or(peer.address.ip(), |client| client.address);
    let mut exchange = Exchange::begin(shared, Class::of(&route), &request, address);
    let answered = match &client {
        Some(client) => dispatch(&exchange, client, route, request).await,
        None => Err(Refusal::BadRequest),
    };
    let mut response = answered.unwrap_or_else(|refusal| page(refusal, reader, &exchange.id));
    exchange.status = response.status();
    let headers = response.headers_mut();
    headers.insert("x-request-id", HeaderValue::try_from(exchange.id.as_str()).expect("hexadecimal"));
    if shared.is_draining() && version < Version::HTTP_2 && exchange.status.as_u16() != 101 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| body.ending(exchange))
}

async fn dispatch(
    exchange: &Exchange,
    client: &Client,
    route: Route,
    request: Request<Incoming>,
) -> std::result::Result<Response<Body>, Refusal> {
    let shared = &exchange.shared;
    let method = request.method().clone();
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    let site = shared.settings.hosts.site(&client.host);
    match (route, site) {
        (Route::Refused, _) => Err(Refusal::NotFound),
        (Route::Asset(_), _) if !is_read => Err(Refusal::Method),
        (Route::Asset(path), _) => {
            let wanted = Wanted::Asset(path.clone());
            let opened = find(&shared.settings.bench, &wanted).await.ok_or(Refusal::NotFound)?;
            let manner = Manner::of_asset(&path);
            Ok(static_file::answer_small(
                &opened,
                &shared.variants,
                &path,
                &method,
                request.headers(),
                &manner,
            ))
        }
        (_, None) => Err(Refusal::UnknownHost),
        (Route::Socketio, Some(site)) => socketio::ask(exchange, client, &site, request).await,
        (Route::File(path), Some(site)) if is_read => {
            let wanted = Wanted::Public { site: site.clone(), path: path.clone() };
            match find(&shared.settings.bench, &wanted).await {
                Some(opened) => {
                    let manner = Manner::of_upload();
                    let headers = request.headers();
                    Ok(static_file::answer_small(&opened, &shared.variants, &path, &method, headers, &manner))
                }
                // Frappe's own page for what is not there.
                None => frappe(exchange, client, &site, request).await,
            }
        }
        (_, Some(site)) => frappe(exchange, client, &site, request).await,
    }
}

async fn frappe(
    exchange: &Exchange,
    client: &Client,
    site: &str,
    request: Request<Incoming>,
) -> std::result::Result<Response<Body>, Refusal> {
    if exchange.shared.is_open() {
        proxy::ask_frappe(exchange, client, site, request).await
    } else {
        Ok(status_page::answer(&exchange.shared.board.read(), request.headers()))
    }
}
