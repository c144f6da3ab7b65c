//! `/socket.io`: polls and websockets to the socketio service.
//!
//! The service asks Frappe who somebody is at the browser's own Origin, and takes only an Origin that names
//! the same host as Host (docs/frappe-contract.md#origin-of-live-events). From inside a container that
//! address often leads nowhere (a published port, a name that only the outside knows). So the comparison is
//! made here, and a service in this container is given our own loopback address as both.
//!
//! A page's own GETs, its first poll among them, have no Origin (Fetch standard, 3.2): theirs is their
//! host, as nginx says it in the official images.

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::timeout;

use super::address::Client;
use super::answer::{Body, Content};
use super::error_page::Refusal;
use super::exchange::Exchange;
use super::headers::{backward, onward};
use super::proxy::origin_form;
use super::shared::Shared;
use super::spool::spool;
use crate::config::hosts::name_of;
use crate::net::loopback_if_unspecified;

/// The service's answer; where it is a switch of protocols, the two are connected from then on.
///
/// # Errors
/// The refusal that the client is to get instead.
pub async fn ask(
    exchange: &Exchange,
    client: &Client,
    site: &str,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let shared = &exchange.shared;
    let mut headers = onward(request.headers(), request.version(), client, site, &exchange.id);
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if origin.is_some_and(|origin| !is_same_host(origin, &client.host)) {
        return Err(Refusal::Origin);
    }
    if let Some(inside) = inside_address(shared) {
        headers.insert(header::ORIGIN, text(&format!("http://{inside}")));
        headers.insert(header::HOST, text(&inside));
    } else if origin.is_none() {
        headers.insert(header::ORIGIN, text(&format!("{}://{}", client.scheme, client.host)));
    }
    let upgrade = wants_websocket(request.headers()).then(|| hyper::upgrade::on(&mut request));
    if upgrade.is_some() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let (head, body) = request.into_parts();
    let spooled = spool(body, &head.headers, shared).await?;
    let mut onward_request = Request::new(spooled.body());
    *onward_request.method_mut() = head.method;
    *onward_request.uri_mut() = origin_form(&head.uri);
    *onward_request.headers_mut() = headers;
    let sending = timeout(shared.settings.read_timeout, shared.socketio.send(onward_request));
    let mut response = sending.await.map_err(|_| Refusal::Silent)?.map_err(|failure| {
        tracing::debug!(%failure, "the socketio service gave no answer");
        Refusal::Broken
    })?;
    let status = response.status();
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) = (status, upgrade) {
        let behind = hyper::upgrade::on(&mut response);
        tokio::spawn(connect(upgrade, behind));
        return Ok(response.map(|_| Body::empty()));
    }
    backward(response.headers_mut());
    Ok(response.map(|reply| Body::new(Content::Reply(reply))))
}

/// Until either side has enough; the service pings, and ends what does not answer.
async fn connect(client: hyper::upgrade::OnUpgrade, behind: hyper::upgrade::OnUpgrade) {
    let (Ok(client), Ok(behind)) = tokio::join!(client, behind) else { return };
    let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(behind)).await;
}

fn wants_websocket(headers: &HeaderMap) -> bool {
    let has = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket")
}

/// What a page of another host may not do is act with this one's cookies.
fn is_same_host(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, authority)| name_of(authority) == name_of(host))
}

/// Where a service in this container reaches us, whatever the world calls us; none where that is no
/// place to ask: another container, TLS, or hosts of which ours is none.
fn inside_address(shared: &Shared) -> Option<String> {
    let settings = &shared.settings;
    let is_here = matches!(settings.socketio.0.as_str(), "127.0.0.1" | "localhost" | "::1");
    let is_usable = is_here && settings.tls.is_none() && settings.hosts.is_any();
    is_usable.then(|| loopback_if_unspecified(shared.address).to_string())
}

fn text(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_events_are_for_pages_of_the_same_host() {
        assert!(is_same_host("https://erp.example.com", "erp.example.com:8000"));
        assert!(is_same_host("http://[::1]:8000", "[::1]:8000"));
        for foreign in ["https://evil.example.com", "null", "", "https://erp.example.com.evil.com"] {
            assert!(!is_same_host(foreign, "erp.example.com"), "{foreign}");
        }
    }
}
