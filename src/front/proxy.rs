//! To gunicorn and back. A request is held while gunicorn starts, reloads or restarts, and sent once more
//! where it is certain, or harmless, that the first time nobody worked on it.
//!
//! ```text
//!  spooled ─▶ Sending ──────────────▶ response
//!                │ away: held, at most 10 s ─▶ 503
//!                │ unsent, or reset with all of it unread (8 KB: gunicorn reads so much at once) ─▶ again
//!                │ broken, GET or HEAD ─▶ again, once
//!                │ broken, others ─▶ 502: it may have been done
//!                └ silent ─▶ 504
//! ```

use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::time::{sleep, timeout};

use super::accel;
use super::address::Client;
use super::answer::Body;
use super::bounds::{MOST_BEGUN, MOST_SENDS};
use super::error_page::Refusal;
use super::exchange::Exchange;
use super::gzip_body;
use super::headers::{backward, onward};
use super::read_ahead::ahead_of_reader;
use super::spool::{Spooled, spool};
use super::status_page;
use super::upstream::{Failure, Reply};
use crate::backoff::Backoff;

/// gunicorn with Frappe is up again within 2 s; its crashes are tried again after up to 8 s.
const HOLD: Duration = Duration::from_secs(10);
const PAUSES: Backoff = Backoff::doubling(Duration::from_millis(5), Duration::from_millis(100));
/// gunicorn's first read takes all of a request that is no longer than this.
const READ_AT_ONCE_BYTES: u64 = 8192;
/// The request line and what the connection adds.
const HEAD_MARGIN_BYTES: u64 = 256;

/// A request that is all here.
struct Whole {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Spooled,
}

/// Frappe's answer.
///
/// # Errors
/// The refusal that the client is to get instead.
pub async fn ask_frappe(
    exchange: &Exchange,
    client: &Client,
    site: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let shared = &exchange.shared;
    let (head, body) = request.into_parts();
    let is_chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
    let body = spool(body, &head.headers, shared).await?;
    let mut headers = onward(&head.headers, head.version, client, site, &exchange.id);
    headers.insert("x-use-x-accel-redirect", HeaderValue::from_static("True"));
    let uri = origin_form(&head.uri);
    let whole = Whole { method: head.method, uri, headers, body };
    let spooled_at = Instant::now();
    let response = send(exchange, &whole).await?;
    let waited = spooled_at.elapsed();
    let mut response = response.map(|reply| Body::new(ahead_of_reader(shared, reply)));
    backward(response.headers_mut());
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response = status_page::in_an_update(&shared.status.read(), &head.headers, response);
    }
    let mut response = match accel::wanted(&response, site) {
        Some(wanted) => accel::answer(exchange, &wanted, &head.headers, &response).await?,
        None => gzip_body::compressed(&head.headers, response),
    };
    let headers = response.headers_mut();
    let timing =
        format!("app;dur={:.1}, front;dur={:.1}", ms(waited), ms(exchange.arrived.elapsed() - waited));
    headers.append("server-timing", HeaderValue::try_from(timing).expect("digits"));
    if is_chunked && head.version < Version::HTTP_2 {
        // Had it a Content-Length beside, then who is before us may see another end of it (RFC 9112, 6.1).
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Path and query, as a server behind us wants it.
pub fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from)
}

async fn send(exchange: &Exchange, whole: &Whole) -> Result<Response<Reply>, Refusal> {
    let shared = &exchange.shared;
    let held_until = Instant::now() + HOLD;
    let (mut pauses, mut sends, mut begun) = (PAUSES.delays(), 0, 0);
    loop {
        let sending = timeout(shared.settings.read_timeout, shared.gunicorn.send(whole.request()));
        let Ok(sent) = sending.await else { return Err(Refusal::Silent) };
        let failure = match sent {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        sends += u32::from(!matches!(failure, Failure::Away(_)));
        begun += u32::from(whole.may_have_begun(&failure));
        let refusal = if matches!(failure, Failure::Away(_)) { Refusal::Away } else { Refusal::Broken };
        let is_over = Instant::now() > held_until || !shared.is_open();
        let is_spent = sends >= MOST_SENDS || begun >= MOST_BEGUN;
        if !whole.may_be_sent_again(&failure) || is_spent || is_over {
            tracing::warn!(request_id = exchange.id, %failure, sends, "gunicorn gave no answer");
            return Err(refusal);
        }
        sleep(pauses.next_delay()).await;
    }
}

impl Whole {
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(self.body.body());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Whether a worker may have begun to work on it, and may have ended because of it.
    fn may_have_begun(&self, failure: &Failure) -> bool {
        match failure {
            Failure::Away(_) | Failure::Unsent => false,
            Failure::Reset(_) => self.length() > READ_AT_ONCE_BYTES,
            Failure::Broken(_) => true,
        }
    }

    fn may_be_sent_again(&self, failure: &Failure) -> bool {
        let is_safe = matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS);
        match failure {
            Failure::Away(_) | Failure::Unsent => true,
            Failure::Reset(_) => is_safe || self.length() <= READ_AT_ONCE_BYTES,
            Failure::Broken(_) => is_safe,
        }
    }

    fn length(&self) -> u64 {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let target = self.uri.path_and_query().map_or(0, |target| target.as_str().len());
        (headers.sum::<usize>() + target) as u64 + HEAD_MARGIN_BYTES + self.body.length()
    }
}
