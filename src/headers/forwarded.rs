//! Forwarded headers: hop-by-hop headers are removed, and headers that Frappe trusts are set only by us.

use hyper::Version;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::clients::address::Client;

/// Headers of one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that only we set; values from clients are not trustworthy.
const OWN_HEADERS: [&str; 10] = [
    "content-length",
    "expect",
    "forwarded",
    "host",
    "proxy",
    "x-frappe-request-id",
    "x-frappe-site-name",
    "x-real-ip",
    "x-request-id",
    "x-use-x-accel-redirect",
];

/// Returns the headers of a request for Frappe or for the socketio service.
pub fn upstream_headers(
    incoming: &HeaderMap,
    version: Version,
    client: &Client,
    site: &str,
    id: &str,
) -> HeaderMap {
    let listed = listed_by_connection(incoming);
    let mut headers = HeaderMap::with_capacity(incoming.len() + 6);
    for (name, value) in incoming {
        let text = name.as_str();
        // WSGI does not distinguish `-` and `_`: X_Frappe_Site_Name would be taken for our header.
        let is_alias = text.contains('_');
        if !is_alias && !is_stripped(text) && !listed.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if version == Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    let text = |text: &str| HeaderValue::try_from(text).expect("checked before");
    let host = if client.host.is_empty() { site } else { &client.host };
    headers.insert(header::HOST, text(host));
    headers.insert("x-forwarded-for", text(&client.address.to_string()));
    headers.insert("x-forwarded-proto", HeaderValue::from_static(client.scheme));
    headers.insert("x-forwarded-host", text(host));
    headers.insert("x-frappe-site-name", text(site));
    headers.insert("x-request-id", text(id));
    // The name that Frappe reads: the id of the request in its monitor, and in its own response.
    headers.insert("x-frappe-request-id", text(id));
    headers
}

/// Removes the hop-by-hop headers of a response.
pub fn strip_hop_headers(headers: &mut HeaderMap) {
    let listed = listed_by_connection(headers);
    for name in HOP_BY_HOP.iter().copied().chain(listed.iter().map(HeaderName::as_str)) {
        headers.remove(name);
    }
    // hyper adds its own Date.
    headers.remove(header::DATE);
    headers.remove(header::SERVER);
}

/// True if a body is coded at most by `chunked`, which hyper decodes. hyper also accepts other codings and several
/// headers if the last coding is `chunked`; that body would be forwarded without saying how it is coded.
pub fn has_known_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next();
    first.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) && codings.next().is_none()
}

fn is_stripped(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
        || OWN_HEADERS.contains(&name)
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-accel-")
}

fn listed_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// Joins cookies: HTTP/2 may send one header per cookie, and WSGI would join them with a comma.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let joined = HeaderValue::from_bytes(&cookies.join(&b"; "[..])).expect("made of header values");
        headers.insert(header::COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunked_is_a_known_coding() {
        let has_known_coding = |values: &[&str]| {
            let name = header::TRANSFER_ENCODING;
            has_known_coding(&values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect())
        };
        assert!(has_known_coding(&[]) && has_known_coding(&["chunked"]) && has_known_coding(&["Chunked"]));
        for unknown in
            [&["gzip, chunked"][..], &["chunked", "chunked"], &["gzip", "chunked"], &["chunked,"], &[""]]
        {
            assert!(!has_known_coding(unknown), "{unknown:?}");
        }
    }
}
