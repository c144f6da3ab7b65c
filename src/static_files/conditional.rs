//! Conditional requests (RFC 9110, 13): a file that the client already has is not sent again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

/// The validators of the requested file.
pub struct Validators<'a> {
    /// The ETag with its quotes, without `W/`.
    pub etag: &'a str,
    pub modified: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Send,
    /// Answered with 304.
    NotModified,
    /// Answered with 412.
    PreconditionFailed,
}

/// Evaluates the preconditions in the order of RFC 9110, 13.2.2.
pub fn evaluate(headers: &HeaderMap, current: &Validators<'_>) -> Verdict {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(header::IF_MATCH), date(headers, header::IF_UNMODIFIED_SINCE)) {
        (Some(tags), _) if !lists(tags, current.etag, false) => return Verdict::PreconditionFailed,
        (None, Some(since)) if seconds(current.modified) > since => return Verdict::PreconditionFailed,
        _ => {}
    }
    let fresh = match (text(header::IF_NONE_MATCH), date(headers, header::IF_MODIFIED_SINCE)) {
        (Some(tags), _) => lists(tags, current.etag, true),
        (None, Some(since)) => seconds(current.modified) <= since,
        (None, None) => false,
    };
    if fresh { Verdict::NotModified } else { Verdict::Send }
}

/// True if a Range applies: the file is the one that If-Range names, of which the client has a part.
pub fn range_applies(headers: &HeaderMap, current: &Validators<'_>) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    match date(headers, header::IF_RANGE) {
        Some(then) => then == seconds(current.modified),
        None => value.as_bytes() == current.etag.as_bytes(),
    }
}

/// True if the list names the tag. Weak tags count only in a weak comparison.
fn lists(tags: &str, etag: &str, is_weak: bool) -> bool {
    tags.split(',').map(str::trim).any(|tag| match tag.strip_prefix("W/") {
        _ if tag == "*" => true,
        Some(weak) => is_weak && weak == etag,
        None => tag == etag,
    })
}

/// Parses an HTTP date, in whole seconds.
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

    fn current() -> Validators<'static> {
        // File times have fractions of a second.
        let modified = httpdate::parse_http_date(MODIFIED).unwrap() + Duration::from_millis(300);
        Validators { etag: "\"a\"", modified }
    }

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn preconditions_follow_the_rfc() {
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
            assert_eq!(evaluate(&headers(given), &current()), expected, "{given:?}");
        }
    }

    #[test]
    fn a_range_applies_only_to_the_file_of_if_range() {
        let applies = |value| range_applies(&headers(&[(header::IF_RANGE, value)]), &current());
        assert!(applies("\"a\"") && applies(MODIFIED) && range_applies(&headers(&[]), &current()));
        assert!(!applies("\"b\"") && !applies("W/\"a\"") && !applies(EARLIER));
    }
}
