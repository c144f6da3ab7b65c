//! Dispatches a request to its handler.

use std::sync::Arc;

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, Version};

use super::answer::Body;
use super::conn::ActiveRequest;
use super::exchange::Exchange;
use super::metrics::Class;
use super::probe::Probing;
use super::request_body::RequestBody;
use super::route::{Route, route};
use super::shared::Shared;
use super::upstream::UpstreamTime;
use super::{proxy, socketio};
use crate::clients::address::{Client, Peer};
use crate::clients::foreign_host::make_redirect_relative;
use crate::headers::forwarded::has_known_coding;
use crate::pages::error_page::{Reader, RequestError, page};
use crate::pages::status_page;
use crate::static_files::open::FileRef;
use crate::static_files::static_file::serve;

/// Answers a request. An error becomes an error page.
pub async fn answer(
    shared: &Arc<Shared>,
    peer: Peer,
    active: ActiveRequest,
    request: Request<RequestBody>,
) -> Response<Body> {
    let route = route(request.uri().path());
    let reader = Reader::of(request.uri(), request.headers());
    let version = request.version();
    let client = Client::of(&request, peer, &shared.settings.trusted);
    let mut exchange = Exchange::begin(shared, Class::of(&route), &request, client.as_ref(), peer, active);
    exchange.site = client.as_ref().and_then(|client| requested_site(shared, client, &request));
    if let Some(client) = client.as_ref().filter(|_| !exchange.is_probe) {
        shared.unlisted_proxy.count(client.address, client.is_forwarder);
    }
    let slots = exchange.http2().map(|http2| http2.slots(exchange.class).clone());
    let mut has_slot = true;
    if let Some(slots) = slots {
        exchange.slot = slots.take().await;
        has_slot = exchange.slot.is_some();
    }
    let answered = match &client {
        Some(_) if !has_slot => Err(RequestError::TooManyStreams),
        Some(client) => dispatch(&exchange, client, route, request).await,
        None => Err(RequestError::BadRequest),
    };
    let mut response = answered.unwrap_or_else(|error| {
        if !exchange.is_probe {
            shared.metrics.refusals.count(error, exchange.client);
        }
        let mut response = page(error, reader, &exchange.id).map(Body::from);
        shared.header_rules().protect(response.headers_mut(), client.as_ref(), exchange.uri.path());
        response
    });
    exchange.status = response.status();
    exchange.upstream = response.extensions().get().map(|UpstreamTime(time)| *time);
    let headers = response.headers_mut();
    headers.insert("x-request-id", HeaderValue::try_from(exchange.id.as_str()).expect("plain"));
    if shared.is_draining() && version < Version::HTTP_2 && exchange.status.as_u16() != 101 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| body.ending(exchange))
}

/// The site of the request's host. A probe names its site.
fn requested_site<B>(shared: &Shared, client: &Client, request: &Request<B>) -> Option<String> {
    match request.extensions().get::<Probing>() {
        Some(probing) => Some(probing.site.clone()),
        None => shared.site_of(client, request.uri().path()),
    }
}

async fn dispatch(
    exchange: &Exchange,
    client: &Client,
    route: Route,
    request: Request<RequestBody>,
) -> Result<Response<Body>, RequestError> {
    let shared = &exchange.shared;
    let method = request.method().clone();
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if !has_known_coding(request.headers()) {
        return Err(RequestError::BadRequest);
    }
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(RequestError::MethodNotAllowed);
    }
    let site = exchange.site.clone();
    if let Some(site) = &site
        && !matches!(route, Route::Asset(_) | Route::Refused)
        && !shared.serves(site)
    {
        // Until the other sites were examined, they get the status page of the site that is bootstrapped.
        return match shared.is_open() {
            true => Err(RequestError::WrongVersion),
            false => Ok(status_page::answer(&shared.status.read(), request.headers()).map(Body::from)),
        };
    }
    match (route, site) {
        (Route::Refused, _) => Err(RequestError::NotFound),
        (Route::Asset(_), _) if !is_read => Err(RequestError::MethodNotAllowed),
        (Route::Asset(path), _) => {
            let served = serve(&shared.roots, &FileRef::Asset(path), &method, request.headers()).await;
            Ok(served.ok_or(RequestError::NotFound)?.map(Body::from))
        }
        (_, None) => Err(RequestError::UnknownHost),
        (Route::Socketio, Some(site)) => socketio::forward(exchange, client, &site, request).await,
        (Route::File(path), Some(site)) if is_read => {
            let file_ref = FileRef::Public { site: site.clone(), path };
            match serve(&shared.roots, &file_ref, &method, request.headers()).await {
                Some(response) => Ok(response.map(Body::from)),
                // Frappe answers with its own page for missing files.
                None => answer_by_frappe(exchange, client, &site, request).await,
            }
        }
        (_, Some(site)) => answer_by_frappe(exchange, client, &site, request).await,
    }
}

async fn answer_by_frappe(
    exchange: &Exchange,
    client: &Client,
    site: &str,
    request: Request<RequestBody>,
) -> Result<Response<Body>, RequestError> {
    let shared = &exchange.shared;
    let mut response = if shared.is_open() {
        let replacement = shared.metrics.foreign_hosts.replacement(&shared.settings.hosts, client, site);
        let client_for_frappe = replacement.as_ref().unwrap_or(client);
        let mut response = proxy::forward_to_frappe(exchange, client_for_frappe, site, request).await?;
        if let Some(forwarded) = &replacement {
            make_redirect_relative(&mut response, forwarded);
        }
        response
    } else {
        status_page::answer(&shared.status.read(), request.headers()).map(Body::from)
    };
    shared.header_rules().protect(response.headers_mut(), Some(client), exchange.uri.path());
    Ok(response)
}
