//! The security headers of pages, API responses and errors: the defaults, as an operator changes them.

use hyper::header::{self, HeaderName, HeaderValue};

/// Headers of a response that Frappe did not set itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityHeaders {
    pub always: Vec<(HeaderName, HeaderValue)>,
    /// Strict-Transport-Security, which has conditions of its own.
    pub hsts: Option<HeaderValue>,
    /// True if the operator wrote `hsts`.
    pub is_own_hsts: bool,
}

const DEFAULTS: [(HeaderName, HeaderValue); 3] = [
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin, strict-origin-when-cross-origin")),
];
/// 30 days, without subdomains: a lost certificate does not lock users out for long.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=2592000");
/// Headers that describe the message or the connection; another value would break the response.
const FOREIGN: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::LOCATION,
    header::SET_COOKIE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self { always: DEFAULTS.to_vec(), hsts: Some(HSTS), is_own_hsts: false }
    }
}

impl SecurityHeaders {
    /// Reads `off`, or headers that are added to the defaults or replace them, each on a line of its own or
    /// separated by `|`: `Permissions-Policy: camera=() | Referrer-Policy: no-referrer`. `Name:` alone removes one.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self { always: Vec::new(), hsts: None, is_own_hsts: false });
        }
        let mut headers = Self::default();
        for line in text.split(['\n', '|']).map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = parse_line(line)?;
            if name == header::STRICT_TRANSPORT_SECURITY {
                (headers.is_own_hsts, headers.hsts) = (value.is_some(), value);
                continue;
            }
            headers.always.retain(|(other, _)| *other != name);
            headers.always.extend(value.map(|value| (name, value)));
        }
        Ok(headers)
    }
}

/// Returns a header with its value; None for an empty one.
fn parse_line(line: &str) -> Result<(HeaderName, Option<HeaderValue>), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` has no colon"))?;
    // Names with other characters are valid, but are typing errors, such as quotes around the whole.
    let name =
        Some(name.trim_end()).filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    let name: HeaderName = name
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| format!("`{line}` does not begin with a header's name"))?;
    if FOREIGN.contains(&name) {
        return Err(format!("`{name}` is not a security header"));
    }
    let value = value.trim();
    let is_plain = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    match HeaderValue::try_from(value) {
        Ok(_) if value.is_empty() => Ok((name, None)),
        Ok(value) if is_plain => Ok((name, Some(value))),
        _ => Err(format!("the value of `{name}` is not plain ASCII")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(headers: &SecurityHeaders, name: &str) -> Option<String> {
        let found: Vec<_> = headers.always.iter().filter(|(given, _)| given == name).collect();
        assert!(found.len() < 2, "{name}: {found:?}");
        found.first().map(|(_, value)| value.to_str().unwrap().into())
    }

    #[test]
    fn headers_are_added_replaced_and_removed() {
        let headers = SecurityHeaders::parse(
            "permissions-policy: camera=(), geolocation=(self \"https://a.example\") | Referrer-Policy : no-referrer\n\
             X-Frame-Options:\nX-A: one\nX-A: two",
        )
        .unwrap();
        assert_eq!(value(&headers, "referrer-policy").as_deref(), Some("no-referrer"));
        assert_eq!(
            value(&headers, "permissions-policy").as_deref(),
            Some("camera=(), geolocation=(self \"https://a.example\")")
        );
        assert_eq!(
            (value(&headers, "x-frame-options"), value(&headers, "x-a").as_deref()),
            (None, Some("two"))
        );
        assert_eq!(value(&headers, "x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!((headers.hsts, headers.is_own_hsts), (Some(HSTS), false));
    }

    #[test]
    fn hsts_is_kept_apart() {
        let parse = |text| SecurityHeaders::parse(text).unwrap();
        let own = parse("Strict-Transport-Security: max-age=63072000; includeSubDomains");
        assert!(own.is_own_hsts && value(&own, "strict-transport-security").is_none());
        assert_eq!(own.hsts.unwrap(), "max-age=63072000; includeSubDomains");
        let none = parse("Strict-Transport-Security:");
        assert_eq!((none.hsts, none.is_own_hsts, none.always.len()), (None, false, DEFAULTS.len()));
        let off = parse("off");
        assert_eq!((off.always, off.hsts), (Vec::new(), None));
    }

    #[test]
    fn other_values_are_refused() {
        for (bad, cause) in [
            ("none", "no colon"),
            ("a b: c", "name"),
            (": c", "name"),
            ("'X-A: b'", "name"),
            ("X-A: é", "ASCII"),
            ("X-A: a\u{1}", "ASCII"),
            ("Set-Cookie: a=b", "not a security header"),
            ("X-A: b | content-length: 5", "not a security header"),
        ] {
            let error = SecurityHeaders::parse(bad).unwrap_err();
            assert!(error.contains(cause), "{bad}: {error}");
        }
    }
}
