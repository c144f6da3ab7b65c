//! The security headers of pages, API responses and errors: the defaults, as an operator changes them.

/// Headers of a response that Frappe did not set itself: names in lower case and plain values, both valid in HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityHeaders {
    pub always: Vec<(String, String)>,
    /// Strict-Transport-Security, which has conditions of its own.
    pub hsts: Option<String>,
    /// True if the operator wrote `hsts`.
    pub is_own_hsts: bool,
}

const DEFAULTS: [(&str, &str); 3] = [
    ("x-frame-options", "SAMEORIGIN"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin, strict-origin-when-cross-origin"),
];
const HSTS: &str = "strict-transport-security";
/// 30 days, without subdomains: a lost certificate does not lock users out for long.
const HSTS_DEFAULT: &str = "max-age=2592000";
/// Headers that describe the message or the connection; another value would break the response.
const FOREIGN: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "location",
    "set-cookie",
    "transfer-encoding",
    "upgrade",
];

impl Default for SecurityHeaders {
    fn default() -> Self {
        let always = DEFAULTS.map(|(name, value)| (name.into(), value.into())).to_vec();
        Self { always, hsts: Some(HSTS_DEFAULT.into()), is_own_hsts: false }
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
            if name == HSTS {
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
fn parse_line(line: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("`{line}` has no colon"))?;
    let (name, value) = (name.trim_end().to_ascii_lowercase(), value.trim());
    // Names with other characters are valid, but are typing errors, such as quotes around the whole.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(format!("`{line}` does not begin with a header's name"));
    }
    if FOREIGN.contains(&name.as_str()) {
        return Err(format!("`{name}` is not a security header"));
    }
    if value.starts_with("//") {
        return Err("a URL is not a header".into());
    }
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(format!("the value of `{name}` is not plain ASCII"));
    }
    Ok((name, (!value.is_empty()).then(|| value.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(headers: &SecurityHeaders, name: &str) -> Option<String> {
        let found: Vec<_> = headers.always.iter().filter(|(given, _)| given == name).collect();
        assert!(found.len() < 2, "{name}: {found:?}");
        found.first().map(|(_, value)| value.clone())
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
        assert_eq!((headers.hsts, headers.is_own_hsts), (Some(HSTS_DEFAULT.into()), false));
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
            ("https://a.example", "not a header"),
            ("Set-Cookie: a=b", "not a security header"),
            ("X-A: b | content-length: 5", "not a security header"),
        ] {
            let error = SecurityHeaders::parse(bad).unwrap_err();
            assert!(error.contains(cause), "{bad}: {error}");
        }
    }
}
