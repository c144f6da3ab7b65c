//! Conditional requests (RFC 9110, 13): what a client has already need not be sent.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

/// What is known of the thing that is asked for.
pub struct Validators<'a> {
    /// With its quotes; a strong one.
    pub etag: &'a str,
    pub modified: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Send,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// In the order of RFC 9110, 13.2.2.
pub fn judge(headers: &HeaderMap, have: &Validators<'_>) -> Verdict {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::IF_MATCH), date(headers, header::IF_UNMODIFIED_SINCE)) {
        (Some(tags), _) if !lists(tags, have.etag, Compare::Strong) => return Verdict::PreconditionFailed,
        (None, Some(since)) if seconds(have.modified) > since => return Verdict::PreconditionFailed,
        _ => {}
    }
    let fresh = match (text(header::IF_NONE_MATCH), date(headers, header::IF_MODIFIED_SINCE)) {
        (Some(tags), _) => lists(tags, have.etag, Compare::Weak),
        (None, Some(since)) => seconds(have.modified) <= since,
        (None, None) => false,
    };
    if fresh { Verdict::NotModified } else { Verdict::Send }
}

/// Whether a Range is to be honoured: If-Range names what the client has a part of.
pub fn range_is_of_this(headers: &HeaderMap, have: &Validators<'_>) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    match date(headers, header::IF_RANGE) {
        Some(then) => then == seconds(have.modified),
        None => value.as_bytes() == have.etag.as_bytes(),
    }
}

enum Compare {
    Strong,
    Weak,
}

fn lists(tags: &str, etag: &str, compare: Compare) -> bool {
    tags.split(',').map(str::trim).any(|tag| match (tag.strip_prefix("W/"), &compare) {
        _ if tag == "*" => true,
        (Some(_), Compare::Strong) => false,
        (Some(weak), Compare::Weak) => weak == etag,
        (None, _) => tag == etag,
    })
}

/// In whole seconds, as HTTP has them.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<Duration> {
    let text = headers.get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok().map(seconds)
}

fn seconds(time: SystemTime) -> Duration {
    Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn have() -> Validators<'static> {
        // Files are younger than their second.
        let modified = httpdate::parse_http_date(MODIFIED).unwrap() + Duration::from_millis(300);
        Validators { etag: "\"a\"", modified }
    }

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_rules_of_the_rfc() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let table: [(&[(HeaderName, &str)], Verdict); 12] = [
            (&[], Verdict::Send),
            (&[(IF_NONE_MATCH, "\"a\"")], Verdict::NotModified),
            (&[(IF_NONE_MATCH, "\"b\", W/\"a\"")], Verdict::NotModified),
            (&[(IF_NONE_MATCH, "*")], Verdict::NotModified),
            (&[(IF_NONE_MATCH, "\"b\"")], Verdict::Send),
            (&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, MODIFIED)], Verdict::Send),
            (&[(IF_MODIFIED_SINCE, MODIFIED)], Verdict::NotModified),
            (&[(IF_MODIFIED_SINCE, EARLIER)], Verdict::Send),
            (&[(IF_MODIFIED_SINCE, "yesterday")], Verdict::Send),
            (&[(IF_MATCH, "\"b\"")], Verdict::PreconditionFailed),
            (&[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, EARLIER)], Verdict::Send),
            (&[(IF_UNMODIFIED_SINCE, EARLIER)], Verdict::PreconditionFailed),
        ];
        for (given, expected) in table {
            assert_eq!(judge(&headers(given), &have()), expected, "{given:?}");
        }
    }

    #[test]
    fn a_range_is_of_what_the_client_has_a_part_of() {
        let of_this = |value| range_is_of_this(&headers(&[(header::IF_RANGE, value)]), &have());
        assert!(of_this("\"a\"") && of_this(MODIFIED) && range_is_of_this(&headers(&[]), &have()));
        assert!(!of_this("\"b\"") && !of_this("W/\"a\"") && !of_this(EARLIER));
    }
}
