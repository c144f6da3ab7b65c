//! Forwards `/socket.io`, polls and websockets, to the socketio service.
//!
//! The service asks Frappe for the user at the browser's own Origin, and accepts only an Origin with the same host
//! as Host (docs/frappe-contract.md#origin-of-live-events). From inside a container that address is often
//! unreachable (a published port, an external name). Therefore the hosts are compared here, and a service in this
//! container gets our own loopback address as both.
//!
//! GETs of a page to its own host, including its first poll, have no Origin (Fetch standard, 3.2). They get an
//! Origin with their host, as from nginx in the official images.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::time::timeout;

use super::answer::{Body, Content};
use super::exchange::Exchange;
use super::proxy::origin_form;
use super::request_body::RequestBody;
use super::shared::Shared;
use super::spool::spool;
use super::websocket;
use crate::clients::address::Client;
use crate::config::hosts::name_of;
use crate::headers::forwarded::{strip_hop_headers, upstream_headers};
use crate::net::loopback_if_unspecified;
use crate::pages::error_page::RequestError;

/// Forwards a request to the service. After a switch of protocols the two sides are connected.
///
/// # Errors
/// The error that the client gets instead.
pub async fn forward(
    exchange: &Exchange,
    client: &Client,
    site: &str,
    mut request: Request<RequestBody>,
) -> Result<Response<Body>, RequestError> {
    let shared = &exchange.shared;
    let mut headers = upstream_headers(request.headers(), request.version(), client, site, &exchange.id);
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if origin.is_some_and(|origin| !is_same_host(origin, &client.host)) {
        return Err(RequestError::ForeignOrigin);
    }
    if let Some(internal) = internal_address(shared) {
        headers.insert(header::ORIGIN, text(&format!("http://{internal}")));
        headers.insert(header::HOST, text(&internal));
    } else if origin.is_none() {
        headers.insert(header::ORIGIN, text(&format!("{}://{}", client.scheme, client.host)));
    }
    let mut upgrade = None;
    if wants_websocket(request.headers()) {
        let slot = shared.slots.live_events.try_take().ok_or(RequestError::TooManyWebSockets)?;
        upgrade = Some((hyper::upgrade::on(&mut request), (exchange.active.connection(), slot)));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let (head, body) = request.into_parts();
    let spooled = spool(body, shared, &mut None).await?;
    let mut forwarded = Request::new(spooled.body());
    *forwarded.method_mut() = head.method;
    *forwarded.uri_mut() = origin_form(&head.uri);
    *forwarded.headers_mut() = headers;
    let sending = timeout(shared.settings.read_timeout, shared.socketio.send(forwarded));
    let mut response = sending.await.map_err(|_| RequestError::Timeout)?.map_err(|failure| {
        tracing::debug!(event = "request.socketio_failed", %failure, "the socketio service did not answer");
        RequestError::BadGateway
    })?;
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // Only an answer to a request for it.
        let (client, held) = upgrade.ok_or(RequestError::BadGateway)?;
        let service = hyper::upgrade::on(&mut response);
        tokio::spawn(websocket::connect(client, service, shared.clone(), held));
        return Ok(response.map(|_| Body::empty()));
    }
    strip_hop_headers(response.headers_mut());
    Ok(response.map(|reply| Body::new(Content::Reply(reply))))
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let has = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket")
}

/// True if both hosts are the same. Pages of another host must not act with the cookies of this one.
fn is_same_host(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, authority)| name_of(authority) == name_of(host))
}

/// The address at which a service in this container reaches us, whatever our external address is. None if it is
/// unusable: the service is in another container, TLS is on, or not every host is the one site.
fn internal_address(shared: &Shared) -> Option<String> {
    let settings = &shared.settings;
    let is_local = matches!(settings.socketio.0.as_str(), "127.0.0.1" | "localhost" | "::1");
    let is_usable = is_local && settings.tls.is_none() && settings.hosts.is_single_site();
    is_usable.then(|| loopback_if_unspecified(shared.address).to_string())
}

fn text(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_must_have_the_same_host() {
        assert!(is_same_host("https://erp.example.com", "erp.example.com:8000"));
        assert!(is_same_host("http://[::1]:8000", "[::1]:8000"));
        for foreign in ["https://evil.example.com", "null", "", "https://erp.example.com.evil.com"] {
            assert!(!is_same_host(foreign, "erp.example.com"), "{foreign}");
        }
    }
}
