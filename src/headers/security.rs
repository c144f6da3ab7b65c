//! Security headers of pages, API responses and errors: those of the configuration, where Frappe sends none of its own.
//!
//! The first of these decides who may show a page in a frame:
//!
//! ```text
//!   frame-ancestors of Frappe (a web form) ─▶ CAULDRON_FRAME_ANCESTORS ─▶ X-Frame-Options of Frappe ─▶ ours
//! ```
//!
//! X-Frame-Options is never sent beside frame-ancestors, which browsers follow alone: the two cannot contradict.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::clients::address::Client;
use crate::config::frame_ancestors::FrameAncestors;
use crate::config::hosts::name_of;
use crate::config::security_headers::SecurityHeaders;

/// The configured headers.
#[derive(Clone, Debug)]
pub struct Headers {
    always: Vec<(HeaderName, HeaderValue)>,
    /// Strict-Transport-Security.
    hsts: Option<HeaderValue>,
    /// True if the operator wrote `hsts`.
    is_own_hsts: bool,
}

impl From<SecurityHeaders> for Headers {
    fn from(headers: SecurityHeaders) -> Self {
        let value = |text: String| HeaderValue::try_from(text).expect("plain text");
        let name = |text: String| HeaderName::try_from(text).expect("letters, digits and dashes");
        Self {
            always: headers.always.into_iter().map(|(of, text)| (name(of), value(text))).collect(),
            hsts: headers.hsts.map(value),
            is_own_hsts: headers.is_own_hsts,
        }
    }
}

/// What the headers of a response follow from.
pub struct Rules<'a> {
    pub headers: &'a Headers,
    pub ancestors: &'a FrameAncestors,
    /// False if the certificate of the web port is of a private CA.
    pub is_public: bool,
}

impl Rules<'_> {
    /// Adds the missing headers. `client` is None if the request named no valid host.
    pub fn protect(&self, headers: &mut HeaderMap, client: Option<&Client>, path: &str) {
        for (name, value) in &self.headers.always {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        if !has_frame_ancestors(headers)
            && let Some(directive) = self.ancestors.directive(path)
        {
            add_directive(headers, directive);
        }
        if has_frame_ancestors(headers) {
            headers.remove(header::X_FRAME_OPTIONS);
        }
        let is_certain = client.is_some_and(|client| client.scheme == "https" && allows_hsts(&client.host));
        if let Some(hsts) = &self.headers.hsts
            && is_certain
            && (self.is_public || self.headers.is_own_hsts)
        {
            headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
        }
    }
}

fn has_frame_ancestors(headers: &HeaderMap) -> bool {
    let policies = headers.get_all(header::CONTENT_SECURITY_POLICY).iter();
    let directives =
        policies.filter_map(|policy| policy.to_str().ok()).flat_map(|policy| policy.split([';', ',']));
    let mut names = directives.filter_map(|directive| directive.split_whitespace().next());
    names.any(|name| name.eq_ignore_ascii_case("frame-ancestors"))
}

/// Adds a directive to the policy of the response, if it has one.
fn add_directive(headers: &mut HeaderMap, directive: &str) {
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let policy = match policy.map(|policy| policy.trim_end_matches([' ', ';'])) {
        Some(policy) if !policy.is_empty() => format!("{policy}; {directive}"),
        _ => directive.into(),
    };
    let policy = HeaderValue::try_from(policy).expect("made of header values");
    match headers.entry(header::CONTENT_SECURITY_POLICY) {
        // Further policies of the response stay.
        header::Entry::Occupied(mut given) => drop(std::mem::replace(given.get_mut(), policy)),
        header::Entry::Vacant(absent) => drop(absent.insert(policy)),
    }
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

    const CSP: &str = "content-security-policy";
    const OPTIONS: &str = "x-frame-options";

    struct Given {
        headers: &'static str,
        ancestors: &'static str,
        is_public: bool,
    }

    const NONE: Given = Given { headers: "", ancestors: "", is_public: true };

    fn protected(rules: &Given, given: &[(&str, &str)], scheme: &'static str, host: &str) -> HeaderMap {
        let mut headers: HeaderMap = HeaderMap::new();
        for (name, value) in given {
            headers.append(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let client = Client::naming(scheme, host);
        let own = Headers::from(SecurityHeaders::parse(rules.headers).unwrap());
        let ancestors = FrameAncestors::parse(rules.ancestors).unwrap();
        let rules = Rules { headers: &own, ancestors: &ancestors, is_public: rules.is_public };
        rules.protect(&mut headers, Some(&client), "/book/1");
        headers
    }

    #[test]
    fn headers_of_frappe_are_kept_and_none_is_sent_twice() {
        let own = [
            (OPTIONS, "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("strict-transport-security", "max-age=1"),
        ];
        let headers = protected(&NONE, &own, "https", "erp.example.com");
        assert_eq!(headers.len(), own.len());
        assert!(own.iter().all(|(name, value)| headers[*name] == *value), "{headers:?}");
    }

    /// Who may frame a page: X-Frame-Options and Content-Security-Policy of the response.
    fn framing(rules: &Given, given: &[(&str, &str)]) -> (Option<String>, Vec<String>) {
        let headers = protected(rules, given, "http", "a");
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        (headers.get(OPTIONS).map(text), headers.get_all(CSP).iter().map(text).collect())
    }

    #[test]
    fn frame_options_and_frame_ancestors_never_meet() {
        let form = "frame-ancestors 'self' https://shop.example";
        assert_eq!(framing(&NONE, &[(CSP, form)]), (None, vec![form.into()]), "an embeddable web form");
        assert_eq!(framing(&NONE, &[(CSP, form), (OPTIONS, "DENY")]), (None, vec![form.into()]));
        assert_eq!(framing(&NONE, &[(CSP, "img-src 'self'; Frame-Ancestors *")]).0, None);
        for other in ["img-src 'self'", "report-uri /frame-ancestors"] {
            assert_eq!(framing(&NONE, &[(CSP, other)]), (Some("SAMEORIGIN".into()), vec![other.into()]));
        }
        let both =
            Given { headers: "X-Frame-Options: DENY | Content-Security-Policy: frame-ancestors *", ..NONE };
        assert_eq!(framing(&both, &[]), (None, vec!["frame-ancestors *".into()]));
    }

    #[test]
    fn the_rule_of_a_path_applies_unless_frappe_names_ancestors() {
        let rule = Given { ancestors: "/book/*=https://a.example;/*='none'", ..NONE };
        let own = "frame-ancestors https://a.example".to_string();
        assert_eq!(framing(&rule, &[]), (None, vec![own.clone()]));
        assert_eq!(framing(&rule, &[(OPTIONS, "SAMEORIGIN")]), (None, vec![own.clone()]));
        let form = "default-src 'self'; frame-ancestors 'self'";
        assert_eq!(framing(&rule, &[(CSP, form)]), (None, vec![form.into()]));
        let joined = format!("img-src 'self'; {own}");
        assert_eq!(framing(&rule, &[(CSP, "img-src 'self' ;")]), (None, vec![joined.clone()]));
        let two = [(CSP, "img-src 'self'"), (CSP, "object-src 'none'")];
        let kept: Vec<String> = vec![joined, "object-src 'none'".into()];
        assert_eq!(framing(&rule, &two), (None, kept));
        let other = Given { ancestors: "/status='none'", ..NONE };
        assert_eq!(framing(&other, &[]), (Some("SAMEORIGIN".into()), Vec::new()));
        let off = Given { headers: "off", ..NONE };
        assert_eq!(framing(&off, &[]), (None, Vec::new()));
    }

    #[test]
    fn hsts_is_sent_only_over_https_for_public_names() {
        let hsts = |rules: &Given, scheme, host| {
            let headers = protected(rules, &[], scheme, host);
            headers.get("strict-transport-security").map(|value| value.to_str().unwrap().to_owned())
        };
        let month = Some("max-age=2592000".to_string());
        for host in ["erp.example.com", "erp.example.com:8443"] {
            assert_eq!(hsts(&NONE, "https", host), month);
        }
        for host in ["localhost", "demo.localhost:8000", "127.0.0.1", "[::1]:8000", "10.1.2.3", ""] {
            assert_eq!(hsts(&NONE, "https", host), None, "{host}");
        }
        assert_eq!(hsts(&NONE, "http", "erp.example.com"), None);
        let private = Given { is_public: false, ..NONE };
        assert_eq!(hsts(&private, "https", "erp.example.com"), None);
        let own = Given { headers: "Strict-Transport-Security: max-age=1", is_public: false, ..NONE };
        assert_eq!(hsts(&own, "https", "erp.example.com").as_deref(), Some("max-age=1"));
        assert_eq!(hsts(&own, "https", "localhost"), None);
        let none = Given { headers: "strict-transport-security:", ..NONE };
        assert_eq!(hsts(&none, "https", "erp.example.com"), None);
    }
}
