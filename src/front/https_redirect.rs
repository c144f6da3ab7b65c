//! The second port, for http: every request is redirected to the same host and path at https (308, so that method and
//! body stay), except for ACME's challenges, which come over http (RFC 8555, 8.3): they are files below the site's
//! `public` folder, where `certbot --webroot` writes them.
//!
//! A host that is not the site's is redirected to the site's own name, so that no link leads elsewhere, and one that
//! the web port refuses gets its 404. Each connection has one request, and counts as one of the web port's connections.

use std::convert::Infallible;
use std::io::Cursor;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::answer::Body;
use super::bounds::{HEAD_TIMEOUT, MAX_HEAD_BYTES};
use super::connection_end::wait_for_stop;
use super::connections::Permit;
use super::metrics::DropReason;
use super::proxy::origin_form;
use super::proxy_protocol::{Begin, begin_of};
use super::shared::Shared;
use crate::clients::address::{Client, Peer};
use crate::config::hosts::{Hosts, name_of};
use crate::pages::error_page::RequestError;
use crate::pages::text::text;
use crate::static_files::open::{FileRef, find};
use crate::static_files::static_file::{self, ServeOptions};

const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Answers the one request of a connection. It ends after 75 s, at a stop, or if the web port needs its room.
///
/// A load balancer may send a PROXY header here, too, but need not: it may have one only on its listener for https.
pub async fn serve(socket: TcpStream, address: SocketAddr, shared: Arc<Shared>, _permit: Option<Permit>) {
    let deadline = Instant::now() + HEAD_TIMEOUT;
    let mut begin = Begin { client: address, rest: Vec::new() };
    if shared.settings.proxy_protocol.contains(address.ip()) {
        match Box::pin(begin_of(&socket, address, &shared, deadline)).await {
            Some(begun) => begin = begun,
            None => return,
        }
    }
    let mut stop = shared.stop.subscribe();
    // A request and its response fit into one deadline: neither has a body that we wait for.
    tokio::select! {
        _ = timeout_at(deadline, answer_one(socket, begin, shared.clone())) => {}
        () = wait_for_stop(&mut stop) => {}
        () = shared.connections.room_is_needed() => {
            shared.metrics.count_drop(DropReason::IdleAtLimit);
        }
    }
}

async fn answer_one(socket: TcpStream, begin: Begin, shared: Arc<Shared>) -> hyper::Result<()> {
    let peer = Peer { address: begin.client, tls: false };
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(&shared, peer, &request).await) }
    });
    let (reader, writer) = socket.into_split();
    let stream = tokio::io::join(Cursor::new(begin.rest).chain(reader), writer);
    http1::Builder::new()
        .header_read_timeout(None)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(shared: &Shared, peer: Peer, request: &Request<Incoming>) -> Response<Body> {
    shared.metrics.redirects.inc();
    let answered = match Client::of(request, peer, &shared.settings.trusted) {
        Some(client) => respond(shared, &client, request).await,
        None => Err(RequestError::BadRequest),
    };
    answered.unwrap_or_else(|error| {
        let body = format!("{}\n", error.sentence());
        text(error.status(), "text/plain; charset=utf-8", body).map(Body::from)
    })
}

async fn respond(
    shared: &Shared,
    client: &Client,
    request: &Request<Incoming>,
) -> Result<Response<Body>, RequestError> {
    let (hosts, path) = (&shared.settings.hosts, request.uri().path());
    // The target `*` of OPTIONS would become a part of the host.
    if !path.starts_with('/') {
        return Err(RequestError::BadRequest);
    }
    let site = shared
        .metrics
        .unlisted_hosts
        .site(&shared.settings.known_hosts(), client, path)
        .ok_or(RequestError::UnknownHost)?;
    if let Some(token) = path.strip_prefix(CHALLENGES) {
        return challenge(shared, site, token, request).await;
    }
    let authority = secure_authority(hosts, client, &site, shared.settings.https_port);
    let target = format!("https://{authority}{}", origin_form(request.uri()));
    let location = HeaderValue::try_from(target).map_err(|_| RequestError::BadRequest)?;
    let mut response = text(StatusCode::PERMANENT_REDIRECT, "text/plain", String::new()).map(Body::from);
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// The host of the redirect. Every host of the site has https on the port of the site's URL, else on https's own.
fn secure_authority(hosts: &Hosts, client: &Client, site: &str, https_port: Option<u16>) -> String {
    let named = hosts.is_named(&client.host, site).then(|| name_of(&client.host));
    let name = named.unwrap_or_else(|| name_of(hosts.link_host(site)));
    let host = if name.contains(':') { format!("[{name}]") } else { name };
    https_port.map_or(host.clone(), |port| format!("{host}:{port}"))
}

/// Sends the file of a challenge. Its name is base64url, so that no path can be made of it.
async fn challenge(
    shared: &Shared,
    site: String,
    token: &str,
    request: &Request<Incoming>,
) -> Result<Response<Body>, RequestError> {
    let is_token =
        !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !is_token || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(RequestError::NotFound);
    }
    let path = PathBuf::from(format!("public{CHALLENGES}{token}"));
    let file_ref = FileRef::Private { site, path };
    let opened = find(&shared.roots, &file_ref, &[]).await.ok_or(RequestError::NotFound)?;
    let options = ServeOptions { cache: "no-store", download_active: true };
    let (method, headers) = (request.method(), request.headers());
    let answer = static_file::answer(&opened, file_ref.path(), method, headers, &[], &options);
    Ok(answer.map(Body::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hosts::Fallback;

    #[test]
    fn only_hosts_of_the_site_are_redirected_to() {
        let urls = ["https://erp.example.com:8443".to_string()];
        let hosts = Hosts::new(Fallback::Site("web.local".into()));
        let hosts = hosts.with_names("web.local", &urls, &["shop.example.com".into()]);
        let authority = |host: &str| {
            let client = Client {
                address: [1, 2, 3, 4].into(),
                scheme: "http",
                host: host.into(),
                via_proxy: false,
                is_forwarder: false,
            };
            secure_authority(&hosts, &client, "web.local", Some(8443))
        };
        for (host, expected) in [
            ("erp.example.com", "erp.example.com:8443"),
            ("ERP.example.com.:80", "erp.example.com:8443"),
            ("shop.example.com:8080", "shop.example.com:8443"),
            ("web.local", "web.local:8443"),
            ("[::1]:8080", "[::1]:8443"),
            ("evil.example", "erp.example.com:8443"),
            ("erp.example.com:evil.example", "erp.example.com:8443"),
            ("[web.local].evil.example", "erp.example.com:8443"),
            ("10.0.0.1", "erp.example.com:8443"),
            ("", "erp.example.com:8443"),
        ] {
            assert_eq!(authority(host), expected, "{host}");
        }
    }
}
