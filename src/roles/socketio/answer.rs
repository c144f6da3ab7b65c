//! Evaluates the answer of the web role to a ping: whether Frappe's node server can authenticate pages there.

use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::net::{ConnectError, Kind};

pub const PING: &str = "/api/method/ping";
/// A header of our own status page, also of a request that asks for it instead of Frappe's own page.
pub const PHASE: &str = "x-cauldron-phase";

/// The result of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Works,
    /// The web role answers that the site is starting, in maintenance or being migrated.
    Starting,
    /// There is no answer of the web role, as while it starts.
    NotUp(String),
    /// Waiting does not help: another name, another server, a certificate that is not trusted.
    Wrong(String),
}

/// The answer of a connection that failed.
pub fn failed(error: &ConnectError) -> Answer {
    match error.kind {
        Kind::Unreachable | Kind::Silent | Kind::Lost => Answer::NotUp(error.to_string()),
        _ => Answer::Wrong(error.to_string()),
    }
}

/// Recognizes the web role by its pong, its status page, or the id that it gives each request.
pub fn evaluate(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    let body = String::from_utf8_lossy(body);
    let id = headers.get("x-request-id").map(|id| id.as_bytes());
    let is_ours = headers.contains_key(PHASE)
        || id.is_some_and(|id| id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit));
    let answered = format!("{PING} answered {}", status.as_u16());
    match status.as_u16() {
        200 if is_ours || body.contains("\"pong\"") => Answer::Works,
        503 if is_ours || body.contains("SessionStopped") => Answer::Starting,
        // Of a host that CAULDRON_HOSTS does not list: pages have hosts that it lists.
        400..=499 if is_ours => Answer::Works,
        // Also of a proxy whose web role is away.
        502..=504 => Answer::NotUp(answered),
        500..=599 if is_ours => Answer::NotUp(answered),
        _ => Answer::Wrong(format!("{answered}, which is no answer of the web role")),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;
    use crate::net::Step;

    #[test]
    fn only_the_web_role_and_frappe_are_accepted() {
        let ours = HeaderMap::from_iter([(
            hyper::header::HeaderName::from_static("x-request-id"),
            HeaderValue::from_static("0123456789abcdef0123456789abcdef"),
        )]);
        let page = HeaderMap::from_iter([(
            hyper::header::HeaderName::from_static(PHASE),
            HeaderValue::from_static("updating"),
        )]);
        let none = HeaderMap::new();
        let kind = |status: u16, headers: &HeaderMap, body: &str| match evaluate(
            StatusCode::from_u16(status).unwrap(),
            headers,
            body.as_bytes(),
        ) {
            Answer::Works => "works",
            Answer::Starting => "starting",
            Answer::NotUp(_) => "not up",
            Answer::Wrong(_) => "wrong",
        };
        assert_eq!(kind(200, &none, r#"{"message":"pong"}"#), "works");
        assert_eq!(kind(404, &ours, ""), "works");
        assert_eq!(kind(503, &page, ""), "starting");
        assert_eq!(kind(503, &ours, ""), "starting");
        assert_eq!(kind(503, &none, r#"{"exc_type":"SessionStopped"}"#), "starting");
        assert_eq!(kind(503, &none, "no endpoints"), "not up");
        assert_eq!(kind(500, &ours, ""), "not up");
        for (status, body) in [(200, "<h1>nginx"), (301, ""), (404, ""), (401, "")] {
            assert_eq!(kind(status, &none, body), "wrong", "{status}");
        }
    }

    #[test]
    fn a_wrong_name_and_a_refused_certificate_do_not_pass_by_themselves() {
        let error = |kind| failed(&ConnectError::new(Step::Tcp, kind, "c", "h"));
        for kind in [Kind::Unresolved, Kind::Certificate, Kind::CertificateFile] {
            assert!(matches!(error(kind), Answer::Wrong(_)), "{kind:?}");
        }
        for kind in [Kind::Unreachable, Kind::Silent, Kind::Lost] {
            assert!(matches!(error(kind), Answer::NotUp(_)), "{kind:?}");
        }
    }
}
