//! Security headers of pages: those of nginx in the official images, where Frappe sends none of its own.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::address::Client;
use crate::config::hosts::name_of;

const ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin, strict-origin-when-cross-origin")),
];
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("SAMEORIGIN");
/// 30 days, without subdomains: a lost certificate does not lock users out for long.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=2592000");

/// Adds the missing headers. `client` is None if the request named no valid host.
pub fn protect(headers: &mut HeaderMap, client: Option<&Client>) {
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(value);
    }
    if !has_frame_ancestors(headers) {
        headers.entry(header::X_FRAME_OPTIONS).or_insert(SAME_ORIGIN);
    }
    if client.is_some_and(|client| client.scheme == "https" && allows_hsts(&client.host)) {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    }
}

/// True if Frappe limits embedding, as for a web form with "Allowed embedding domains"; X-Frame-Options would
/// contradict it.
fn has_frame_ancestors(headers: &HeaderMap) -> bool {
    let policies = headers.get_all(header::CONTENT_SECURITY_POLICY).iter();
    policies.filter_map(|policy| policy.to_str().ok()).any(|policy| policy.contains("frame-ancestors"))
}

/// True for a host that HSTS may apply to: no IP address (RFC 6797, 8.1.1), and no name of this machine.
fn allows_hsts(host: &str) -> bool {
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
        let client = Client { address: [1, 2, 3, 4].into(), scheme, host: host.into(), via_proxy: false };
        protect(&mut headers, Some(&client));
        headers
    }

    #[test]
    fn headers_of_frappe_are_kept_and_none_is_sent_twice() {
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
    fn an_embeddable_web_form_gets_no_frame_options() {
        let csp = [("content-security-policy", "frame-ancestors 'self' https://shop.example")];
        assert!(!protected(&csp, "http", "a").contains_key("x-frame-options"));
        let other = [("content-security-policy", "img-src 'self'")];
        assert_eq!(protected(&other, "http", "a")["x-frame-options"], "SAMEORIGIN");
    }

    #[test]
    fn hsts_is_sent_only_over_https_for_public_names() {
        let hsts = |scheme, host| protected(&[], scheme, host).contains_key("strict-transport-security");
        assert!(hsts("https", "erp.example.com") && hsts("https", "erp.example.com:8443"));
        for host in ["localhost", "demo.localhost:8000", "127.0.0.1", "[::1]:8000", "10.1.2.3", ""] {
            assert!(!hsts("https", host), "{host}");
        }
        assert!(!hsts("http", "erp.example.com"));
    }
}
