//! Compresses responses of Frappe while they are sent.

use std::io::{self, Write};
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::Response;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::answer::{Body, Content};
use super::content_type;

/// Higher levels cost the shared event loop more than the network saves.
const LEVEL: Compression = Compression::new(3);
/// The value of nginx in the official images; shorter responses do not shrink.
const MIN_BYTES: u64 = 256;
/// Output is held back until it has this size, or until the source has no more bytes for now.
const CHUNK_BYTES: usize = 16 * 1024;

pub struct GzipBody {
    source: Content,
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// True if the encoder holds bytes that were not sent.
    unflushed: bool,
}

impl GzipBody {
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
            match self.source.poll_bytes(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    encoder.write_all(&bytes)?;
                    self.unflushed = true;
                    if encoder.get_ref().len() >= CHUNK_BYTES {
                        return Poll::Ready(Some(Ok(take(encoder))));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let rest = self.encoder.take().map(GzEncoder::finish).transpose()?;
                    return Poll::Ready(rest.map(|rest| Ok(rest.into())));
                }
                // A slow source: send the available bytes without waiting for more.
                Poll::Pending if self.unflushed => {
                    self.unflushed = false;
                    encoder.flush()?;
                    return Poll::Ready(Some(Ok(take(encoder))));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn take(encoder: &mut GzEncoder<Vec<u8>>) -> Bytes {
    std::mem::take(encoder.get_mut()).into()
}

/// Compresses a response if the client accepts gzip and the response is uncompressed text.
pub fn compress(request_headers: &HeaderMap, response: Response<Body>) -> Response<Body> {
    if !is_worth_compressing(&response) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if !accepts(request_headers, "gzip") {
        return Response::from_parts(head, body);
    }
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.remove(header::ACCEPT_RANGES);
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    weaken_etag(&mut head.headers);
    let encoder = Some(GzEncoder::new(Vec::new(), LEVEL));
    let body = GzipBody { source: body.into_content(), encoder, unflushed: false };
    Response::from_parts(head, Body::new(Content::Gzip(Box::new(body))))
}

fn is_worth_compressing(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let length = hyper::body::Body::size_hint(response.body()).exact();
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

/// True if Accept-Encoding allows this encoding.
pub fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
        });
        name.eq_ignore_ascii_case(encoding) && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_accepted_unless_its_weight_is_zero() {
        let accepted = |value: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            (accepts(&headers, "gzip"), accepts(&headers, "br"))
        };
        assert_eq!(accepted("gzip, deflate, br, zstd"), (true, true));
        assert_eq!(accepted("GZIP;q=0.5, br;q=0"), (true, false));
        assert_eq!(accepted("gzip;q=0.000"), (false, false));
        assert_eq!(accepted("identity"), (false, false));
    }
}
