//! The second port, for http: every request is redirected to the same host and path at https (308, so that method and
//! body stay), except for ACME's challenges, which come over http (RFC 8555, 8.3): they are files below the site's
//! `public` folder, where `certbot --webroot` writes them.
//!
//! A host that is not the site's is redirected to the site's own name, so that no link leads elsewhere, and one that
//! the web port refuses gets its 404. Each connection has one request, and counts as one of the web port's connections.

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::Body;
use super::proxy::origin_form;
use super::request_body::RequestBody;
use super::shared::Shared;
use crate::clients::address::{Client, Peer};
use crate::config::hosts::{Hosts, name_of};
use crate::pages::error_page::RequestError;
use crate::pages::text::text;
use crate::static_files::open::FileRef;
use crate::static_files::static_file::serve;

const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Answers the one request of a connection.
pub async fn answer(shared: &Shared, peer: Peer, request: &Request<RequestBody>) -> Response<Body> {
    shared.metrics.redirects.inc();
    let answered = match Client::of(request, peer, &shared.settings.trusted) {
        Some(client) => respond(shared, &client, request).await,
        None => Err(RequestError::BadRequest),
    };
    let mut response = answered.unwrap_or_else(|error| {
        let body = format!("{}\n", error.sentence());
        text(error.status(), "text/plain; charset=utf-8", body).map(Body::from)
    });
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn respond(
    shared: &Shared,
    client: &Client,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, RequestError> {
    let (hosts, path) = (&shared.settings.hosts, request.uri().path());
    // The target `*` of OPTIONS would become a part of the host.
    if !path.starts_with('/') {
        return Err(RequestError::BadRequest);
    }
    let site = shared.site_of(client, path).ok_or(RequestError::UnknownHost)?;
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
    request: &Request<RequestBody>,
) -> Result<Response<Body>, RequestError> {
    let is_token =
        !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !is_token || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(RequestError::NotFound);
    }
    let file_ref = FileRef::Private { site, path: format!("public{CHALLENGES}{token}").into() };
    let served = serve(&shared.roots, &file_ref, request.method(), request.headers()).await;
    let mut response = served.ok_or(RequestError::NotFound)?.map(Body::from);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
