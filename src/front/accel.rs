//! X-Accel-Redirect: Frappe has checked who may read a private file, and we send it.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::Body;
use super::error_page::Refusal;
use super::exchange::Exchange;
use super::open::{FileRef, find};
use super::route::plain;
use super::static_file::{self, ServeOptions};

const HEADER: HeaderName = HeaderName::from_static("x-accel-redirect");

/// The file that Frappe names: `/protected/private/files/…`, below the site's folder.
pub fn wanted(response: &Response<Body>, site: &str) -> Option<Result<FileRef, Refusal>> {
    let named = response.headers().get(HEADER)?;
    let decoded: Vec<u8> = percent_decode_str(named.to_str().unwrap_or_default()).collect();
    let mut components = decoded.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).peekable();
    let is_protected = components.next() == Some(b"protected");
    // Not the site's own files, its password among them, whoever wrote that header.
    let is_for_download = matches!(components.peek(), Some(&b"private" | &b"public"));
    let path = if is_protected && is_for_download { plain(components) } else { None };
    Some(path.map(|path| FileRef::Private { site: site.into(), path }).ok_or(Refusal::NotFound))
}

/// Sends it with what Frappe says of it.
///
/// # Errors
/// 404 where it is not there.
pub async fn answer(
    exchange: &Exchange,
    wanted: &Result<FileRef, Refusal>,
    asked: &HeaderMap,
    said: &Response<Body>,
) -> Result<Response<Body>, Refusal> {
    let wanted = wanted.as_ref().map_err(|refusal| *refusal)?;
    let opened = find(&exchange.shared.places, wanted).await.ok_or(Refusal::NotFound)?;
    let FileRef::Private { path, .. } = wanted else { return Err(Refusal::NotFound) };
    // An answer that is no 200 says something else than "here is your file".
    if said.status() != StatusCode::OK {
        return Err(Refusal::NotFound);
    }
    let manner = ServeOptions { cache: "private, no-cache", download_active: true };
    let mut response = static_file::answer(&opened, path, &exchange.method, asked, &manner);
    let headers = response.headers_mut();
    let own = [header::CONTENT_LENGTH, header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES, HEADER];
    for name in said.headers().keys().filter(|name| !own.contains(name)) {
        // Nothing is said twice, but for cookies.
        headers.remove(name);
        for value in said.headers().get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
