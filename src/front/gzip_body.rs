//! Compresses bodies while they are sent: responses of Frappe, uploads, and assets without a compressed file.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Response;
use hyper::body::Body as _;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::answer::{Body, Content};
use super::gzip_encoder::GzipEncoder;
use crate::static_files::accept_encoding::accepts;
use crate::web_files::content_type;
use crate::web_files::encoding::Encoding;

/// The value of nginx in the official images; shorter responses do not shrink.
const MIN_BYTES: u64 = 256;
/// Output is held back until it has this size, or until the source has no more bytes for now.
const CHUNK_BYTES: usize = 16 * 1024;
/// Other connections have their turn after this much input: a millisecond.
const MAX_INPUT_BYTES: usize = 64 * 1024;

pub struct GzipBody {
    source: Content,
    encoder: GzipEncoder,
    /// True if the encoder holds bytes that were not sent.
    unflushed: bool,
}

impl GzipBody {
    pub fn new(source: Content) -> Self {
        Self { source, encoder: GzipEncoder::new(), unflushed: false }
    }

    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut input_bytes = 0;
        while input_bytes < MAX_INPUT_BYTES {
            match self.source.poll_bytes(cx) {
                Poll::Ready(Some(bytes)) => {
                    let bytes = bytes?;
                    self.encoder.write(&bytes)?;
                    self.unflushed = true;
                    input_bytes += bytes.len();
                    if self.encoder.available() >= CHUNK_BYTES {
                        return Poll::Ready(Some(Ok(self.encoder.take())));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(self.encoder.finish().transpose()),
                // A slow source: send the available bytes without waiting for more.
                Poll::Pending if self.unflushed => {
                    self.unflushed = false;
                    self.encoder.flush()?;
                    return Poll::Ready(Some(Ok(self.encoder.take())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Compresses a response if the client accepts gzip and the response is uncompressed text.
pub fn compress(request_headers: &HeaderMap, response: Response<Body>) -> Response<Body> {
    if !is_worth_compressing(&response) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if !accepts(request_headers, Encoding::Gzip) {
        return Response::from_parts(head, body);
    }
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::ACCEPT_RANGES);
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    weaken_etag(&mut head.headers);
    // The response to HEAD has the same head and no body.
    let body = match body.is_end_stream() {
        true => body,
        false => Body::new(Content::Gzip(Box::new(GzipBody::new(body.into_content())))),
    };
    Response::from_parts(head, body)
}

fn is_worth_compressing(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    // The body of a response to HEAD has no length.
    let announced = text(header::CONTENT_LENGTH).parse().ok();
    let length = announced.or_else(|| response.body().size_hint().exact());
    content_type::is_text(text(header::CONTENT_TYPE))
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && !text(header::CACHE_CONTROL).contains("no-transform")
        && !matches!(response.status().as_u16(), 204 | 206 | 304)
        && length.is_none_or(|length| length >= MIN_BYTES)
}

/// Makes the ETag weak: the bytes change, the content does not.
fn weaken_etag(headers: &mut HeaderMap) {
    let Some(strong) = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()) else { return };
    if !strong.starts_with("W/") {
        let weak = HeaderValue::try_from(format!("W/{strong}"));
        headers.insert(header::ETAG, weak.expect("an ETag"));
    }
}
