//! Forwards requests to gunicorn. A request is held while gunicorn starts, reloads or restarts, and sent again if
//! no worker can have processed it, or if processing it twice is harmless.
//!
//! ```text
//!  spooled ─▶ Waiting ─▶ Sending ──▶ response
//!                │          │ unavailable: held, at most 10 s ─▶ 503
//!                │          │ unsent, or reset before any of it was read (up to 8 KB: gunicorn's first read) ─▶ sent again
//!                │          │ broken, GET, HEAD or OPTIONS ─▶ sent again, once
//!                │          │ broken, other methods ─▶ 502: it may have been processed
//!                │          └ timeout ─▶ 504
//!                └ too many requests wait already ─▶ 503
//! ```

use std::time::{Duration, Instant};

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::time::{sleep, timeout};

use super::accel;
use super::answer::{Body, Content};
use super::bounds::{HOLD_TIMEOUT, MAX_SENDS, MAX_STARTS};
use super::exchange::{Exchange, ms};
use super::gzip_body;
use super::read_ahead::with_read_ahead;
use super::request_body::RequestBody;
use super::spool::{Spooled, spool};
use super::streaming;
use super::upstream::{Failure, Reply, UpstreamTime};
use crate::backoff::Backoff;
use crate::clients::address::Client;
use crate::headers::forwarded::{strip_hop_headers, upstream_headers};
use crate::pages::error_page::RequestError;
use crate::pages::status_page;

const RETRY_BACKOFF: Backoff = Backoff::doubling(Duration::from_millis(5), Duration::from_millis(100));
/// gunicorn's first read takes a whole request up to this size.
const FIRST_READ_BYTES: u64 = 8192;
/// Margin for the request line and for headers that the connection adds.
const HEAD_MARGIN_BYTES: u64 = 256;

/// A request that was received completely.
struct BufferedRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Spooled,
}

/// Forwards a request to Frappe, and returns the response.
///
/// # Errors
/// The error that the client gets instead.
pub async fn forward_to_frappe(
    exchange: &Exchange,
    client: &Client,
    site: &str,
    request: Request<RequestBody>,
) -> Result<Response<Body>, RequestError> {
    let shared = &exchange.shared;
    let (head, body) = request.into_parts();
    let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    let mut examiner = shared.logins.examiner(&head.uri, &head.headers);
    let body = spool(body, shared, &mut examiner).await?;
    let is_shared = shared.unlisted_proxy.is_shared(client.address);
    let attempt = shared.logins.admit(examiner, site, client.address, is_shared).await?;
    let mut headers = upstream_headers(&head.headers, head.version, client, site, &exchange.id);
    headers.insert("x-use-x-accel-redirect", HeaderValue::from_static("True"));
    let uri = origin_form(&head.uri);
    let buffered = BufferedRequest { method: head.method, uri, headers, body };
    let spooled_at = Instant::now();
    let response = send(exchange, &buffered).await?;
    if let Some(attempt) = attempt {
        attempt.answered(&response);
    }
    let waited = spooled_at.elapsed();
    let is_streamed = streaming::is_streamed(response.headers());
    let mut response = response.map(|reply| {
        Body::new(if is_streamed { Content::Reply(reply) } else { with_read_ahead(shared, reply) })
    });
    strip_hop_headers(response.headers_mut());
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let page = status_page::during_update(&shared.status.read(), &head.headers, response.headers_mut());
        response = page.map_or(response, |page| page.map(Body::from));
    }
    let mut response = match accel::requested_file(&response, site) {
        Some(file_ref) => accel::answer(exchange, &file_ref?, &head.headers, &response).await?,
        None if is_streamed => response,
        None => gzip_body::compress(&head.headers, response),
    };
    streaming::remove_orders(response.headers_mut());
    response.extensions_mut().insert(UpstreamTime(waited));
    let headers = response.headers_mut();
    let timing =
        format!("app;dur={:.1}, front;dur={:.1}", ms(waited), ms(exchange.arrived.elapsed() - waited));
    headers.append("server-timing", HeaderValue::try_from(timing).expect("digits"));
    if is_chunked && head.version < Version::HTTP_2 {
        // If it also had a Content-Length, a proxy before us may see another end of the request (RFC 9112, 6.1).
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Path and query, the form that upstream servers expect.
pub fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from)
}

async fn send(exchange: &Exchange, buffered: &BufferedRequest) -> Result<Response<Reply>, RequestError> {
    let shared = &exchange.shared;
    let hold_deadline = Instant::now() + HOLD_TIMEOUT;
    let waiting = timeout(shared.settings.read_timeout, shared.slots.gunicorn.take());
    let slot = waiting.await.map_err(|_| RequestError::Timeout)?;
    let _slot = slot.ok_or(RequestError::TooManyWaiting)?;
    let (mut retry_delays, mut sends, mut starts, mut held) = (RETRY_BACKOFF.delays(), 0, 0, None);
    loop {
        let sending = timeout(shared.settings.read_timeout, shared.gunicorn.send(buffered.request()));
        let Ok(sent) = sending.await else { return Err(RequestError::Timeout) };
        let failure = match sent {
            // An answer to a request that we did not make.
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return Err(RequestError::BadGateway);
            }
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        let is_away = matches!(failure, Failure::Unavailable(_));
        sends += u32::from(!is_away);
        starts += u32::from(buffered.may_have_started(&failure));
        let is_expired = Instant::now() > hold_deadline || !shared.is_open();
        let is_spent = sends >= MAX_SENDS || starts >= MAX_STARTS;
        if !buffered.may_be_sent_again(&failure) || is_spent || is_expired {
            let may_be_processed = starts > 0 && !is_away;
            return Err(give_up(exchange, &failure, sends, may_be_processed));
        }
        held = if is_away { held.or_else(|| Some(shared.held.begin())) } else { None };
        sleep(retry_delays.next_delay()).await;
    }
}

/// Logs that gunicorn did not answer, and returns the error that the client gets. Requests that were only held can be
/// many: they are counted, and logged once a minute (refusals.rs).
fn give_up(exchange: &Exchange, failure: &Failure, sends: u32, may_be_processed: bool) -> RequestError {
    if may_be_processed || sends > 0 {
        tracing::warn!(
            event = "request.gunicorn_failed",
            request_id = exchange.id,
            %failure,
            sends,
            "gunicorn did not answer"
        );
    }
    match may_be_processed {
        true => RequestError::BadGateway,
        false if exchange.shared.status.read().web_keeps_failing => RequestError::KeepsFailing,
        false => RequestError::Unavailable,
    }
}

impl BufferedRequest {
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(self.body.body());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// True if a worker may have started the request, and may have crashed because of it.
    fn may_have_started(&self, failure: &Failure) -> bool {
        match failure {
            Failure::Unavailable(_) | Failure::Unsent => false,
            Failure::Reset(_) => self.length() > FIRST_READ_BYTES,
            Failure::Broken(_) => true,
        }
    }

    fn may_be_sent_again(&self, failure: &Failure) -> bool {
        let is_safe = matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS);
        match failure {
            Failure::Unavailable(_) | Failure::Unsent => true,
            Failure::Reset(_) => is_safe || self.length() <= FIRST_READ_BYTES,
            Failure::Broken(_) => is_safe,
        }
    }

    fn length(&self) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let target = self.uri.path_and_query().map_or(0, |target| target.as_str().len());
        (headers.sum::<usize>() + target) as u64 + HEAD_MARGIN_BYTES + self.body.length()
    }
}
