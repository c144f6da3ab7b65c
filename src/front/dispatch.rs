//! From a request to what answers it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, Version};

use super::address::{Client, Peer};
use super::answer::Body;
use super::error_page::{Reader, Refusal, page};
use super::exchange::Exchange;
use super::foreign_host::make_redirect_relative;
use super::line::ConnState;
use super::metrics::Class;
use super::open::{FileRef, find};
use super::probe::Probing;
use super::route::{Route, route};
use super::security::protect;
use super::shared::Shared;
use super::static_file::{self, ServeOptions};
use super::{proxy, socketio, status_page};

/// Every request has an answer, if only the word why there is none.
pub async fn answer(
    shared: &Arc<Shared>,
    peer: Peer,
    line: ConnState,
    request: Request<Incoming>,
) -> Response<Body> {
    let route = route(request.uri().path());
    let reader = Reader::of(request.uri(), request.headers());
    let version = request.version();
    let client = Client::of(&request, peer, &shared.settings.trusted);
    let address = client.as_ref().map_or(peer.address.ip(), |client| client.address);
    let mut exchange = Exchange::begin(shared, Class::of(&route), &request, address);
    exchange.at_work = Some(line.activity.work());
    let mut has_place = true;
    if let Some(slots) = line.slots(exchange.class) {
        exchange.slot = slots.take().await;
        has_place = exchange.slot.is_some();
    }
    let answered = match &client {
        Some(_) if !has_place => Err(Refusal::Busy),
        Some(client) => dispatch(&exchange, client, route, request).await,
        None => Err(Refusal::BadRequest),
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        let mut response = page(refusal, reader, &exchange.id);
        protect(response.headers_mut(), client.as_ref());
        response
    });
    exchange.status = response.status();
    let headers = response.headers_mut();
    headers.insert("x-request-id", HeaderValue::try_from(exchange.id.as_str()).expect("hexadecimal"));
    if shared.is_draining() && version < Version::HTTP_2 && exchange.status.as_u16() != 101 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| body.sent_by(line).ending(exchange))
}

async fn dispatch(
    exchange: &Exchange,
    client: &Client,
    route: Route,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let shared = &exchange.shared;
    let method = request.method().clone();
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    let site = match request.extensions().get::<Probing>() {
        Some(probing) => Some(probing.site.clone()),
        None => shared.settings.hosts.site(&client.host),
    };
    if let Some(site) = &site
        && !matches!(route, Route::Asset(_) | Route::Refused)
        && !shared.serves(site)
    {
        // Before the first look at them every other site waits with the one that is bootstrapped.
        return match shared.is_open() {
            true => Err(Refusal::OtherCode),
            false => Ok(status_page::answer(&shared.status.read(), request.headers())),
        };
    }
    match (route, site) {
        (Route::Refused, _) => Err(Refusal::NotFound),
        (Route::Asset(_), _) if !is_read => Err(Refusal::Method),
        (Route::Asset(path), _) => {
            let wanted = FileRef::Asset(path);
            let opened = find(&shared.places, &wanted).await.ok_or(Refusal::NotFound)?;
            let (headers, manner) = (request.headers(), ServeOptions::of_asset(wanted.path()));
            Ok(static_file::answer_small(&opened, &shared.variants, &wanted, &method, headers, &manner))
        }
        (_, None) => Err(Refusal::UnknownHost),
        (Route::Socketio, Some(site)) => socketio::ask(exchange, client, &site, request).await,
        (Route::File(path), Some(site)) if is_read => {
            let wanted = FileRef::Public { site: site.clone(), path };
            match find(&shared.places, &wanted).await {
                Some(opened) => {
                    let (headers, manner) = (request.headers(), ServeOptions::of_upload());
                    Ok(static_file::answer_small(
                        &opened,
                        &shared.variants,
                        &wanted,
                        &method,
                        headers,
                        &manner,
                    ))
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
) -> Result<Response<Body>, Refusal> {
    let shared = &exchange.shared;
    let mut response = if shared.is_open() {
        let replaced = shared.metrics.foreign_hosts.replaced(&shared.settings.hosts, client, site);
        let seen = replaced.as_ref().unwrap_or(client);
        let mut response = proxy::ask_frappe(exchange, seen, site, request).await?;
        if let Some(passed_on) = &replaced {
            make_redirect_relative(&mut response, passed_on);
        }
        response
    } else {
        status_page::answer(&shared.status.read(), request.headers())
    };
    protect(response.headers_mut(), Some(client));
    Ok(response)
}
