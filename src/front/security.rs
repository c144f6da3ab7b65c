//! Headers that protect a page in its visitor's browser: those that nginx has in the official images, where
//! Frappe sends none of its own.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::address::Client;
use crate::config::hosts::name_of;

const ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin, strict-origin-when-cross-origin")),
];
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("SAMEORIGIN");
/// 30 days, this host alone: a certificate that is lost locks nobody out for long.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=2592000");

/// Adds what is not there. Without a client the request named no host.
pub fn protect(headers: &mut HeaderMap, client: Option<&Client>) {
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(value);
    }
    if !says_who_frames(headers) {
        headers.entry(header::X_FRAME_OPTIONS).or_insert(SAME_ORIGIN);
    }
    if client.is_some_and(|client| client.scheme == "https" && has_certificate(&client.host)) {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    }
}

/// A web form with "Allowed embedding domains" names them so; X-Frame-Options beside it would be a contradiction.
fn says_who_frames(headers: &HeaderMap) -> bool {
    let policies = headers.get_all(header::CONTENT_SECURITY_POLICY).iter();
    policies.filter_map(|policy| policy.to_str().ok()).any(|policy| policy.contains("frame-ancestors"))
}

/// A name that only https is to be used for: no address (RFC 6797, 8.1.1), and nothing of this machine.
fn has_certificate(host: &str) -> bool {
    let name = name_of(host);
    let is_local = name == "localhost" || name.ends_with(".localhost");
    !name.is_empty() && !is_local && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected(given: &[(&str, &str)], scheme: &'static str, host: &str) -> HeaderMap {
        let mut headers: HeaderMap =
            given.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let client = Client { address: [1, 2, 3, 4].into(), scheme, host: host.into(), by_proxy: false };
        protect(&mut headers, Some(&client));
        headers
    }

    #[test]
    fn what_frappe_sends_stands_and_no_header_comes_twice() {
        let own = [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("strict-transport-security", "max-age=1"),
        ];
        let headers = protected(&own, "https", "erp.example.com");
        assert_eq!(headers.len(), own.len());
        assert!(own.iter().all(|(name, value)| headers[*name] == *value), "{headers:?}");
    }

    #[test]
    fn an_embedded_web_form_stays_one() {
        let csp = [("content-security-policy", "frame-ancestors 'self' https://shop.example")];
        assert!(!protected(&csp, "http", "a").contains_key("x-frame-options"));
        let other = [("content-security-policy", "img-src 'self'")];
        assert_eq!(protected(&other, "http", "a")["x-frame-options"], "SAMEORIGIN");
    }

    #[test]
    fn https_is_asked_for_only_where_it_is_certain() {
        let hsts = |scheme, host| protected(&[], scheme, host).contains_key("strict-transport-security");
        assert!(hsts("https", "erp.example.com") && hsts("https", "erp.example.com:8443"));
        for host in ["localhost", "demo.localhost:8000", "127.0.0.1", "[::1]:8000", "10.1.2.3", ""] {
            assert!(!hsts("https", host), "{host}");
        }
        assert!(!hsts("http", "erp.example.com"));
    }
}
