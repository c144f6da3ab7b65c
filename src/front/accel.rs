//! X-Accel-Redirect: Frappe checks the permission to read a private file, and the web port sends the file.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::Body;
use super::exchange::Exchange;
use super::route::relative_path;
use crate::pages::error_page::RequestError;
use crate::static_files::open::FileRef;
use crate::static_files::static_file::serve;

const HEADER: HeaderName = HeaderName::from_static("x-accel-redirect");

/// The file's headers, whatever Frappe says about its own empty body.
const OURS: [HeaderName; 7] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    HEADER,
];

/// Returns the file that the header names, relative to the site's folder: `/protected/private/files/…`. An error for a
/// file that may not be sent.
pub fn requested_file(response: &Response<Body>, site: &str) -> Option<Result<FileRef, RequestError>> {
    let path_header = response.headers().get(HEADER)?;
    let decoded: Vec<u8> = percent_decode_str(path_header.to_str().unwrap_or_default()).collect();
    let mut components = decoded.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).peekable();
    let is_protected = components.next() == Some(b"protected");
    // No other file of the site, such as its site_config.json with passwords, regardless of who set the header.
    let is_for_download = matches!(components.peek(), Some(&b"private" | &b"public"));
    // A status other than 200 does not grant access to the file.
    let is_granted = is_protected && is_for_download && response.status() == StatusCode::OK;
    let path = if is_granted { relative_path(components) } else { None };
    Some(path.map(|path| FileRef::Private { site: site.into(), path }).ok_or(RequestError::NotFound))
}

/// Sends the file with the headers of Frappe's response.
///
/// # Errors
/// 404 if the file does not exist.
pub async fn answer(
    exchange: &Exchange,
    file_ref: &FileRef,
    request_headers: &HeaderMap,
    from_frappe: &Response<Body>,
) -> Result<Response<Body>, RequestError> {
    let served = serve(&exchange.shared.roots, file_ref, &exchange.method, request_headers).await;
    let mut response = served.ok_or(RequestError::NotFound)?.map(Body::from);
    let is_error = response.status().is_client_error();
    let headers = response.headers_mut();
    // An error must not be cached, as Frappe's answer for the file may be.
    let is_ours = |name: &HeaderName| OURS.contains(name) || (is_error && name == header::CACHE_CONTROL);
    for name in from_frappe.headers().keys().filter(|name| !is_ours(name)) {
        // Frappe's values replace ours, so that no header occurs twice; cookies may.
        headers.remove(name);
        for value in from_frappe.headers().get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
