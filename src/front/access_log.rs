//! The access log: one event for each finished request.

use hyper::header::HeaderValue;

use super::exchange::{Exchange, ms};
use super::metrics::Class;
use crate::config::front::AccessLog;

/// More of a client's header is not logged.
const MAX_HEADER_BYTES: usize = 512;

/// Logs a finished request. Queries are omitted, also that of the referer: they contain search terms, and session
/// keys of some clients.
pub fn log(exchange: &Exchange) {
    let is_logged = match exchange.shared.settings.access_log {
        AccessLog::Off => false,
        AccessLog::On => exchange.class != Class::Assets,
        AccessLog::All => true,
    };
    if is_logged {
        tracing::info!(
            event = "request.answered",
            method = %exchange.method,
            path = exchange.uri.path(),
            host = exchange.host,
            site = exchange.site,
            protocol = ?exchange.version,
            status = exchange.status.as_u16(),
            bytes = exchange.sent_bytes,
            elapsed_ms = ms(exchange.arrived.elapsed()),
            upstream_ms = exchange.upstream.map(ms),
            client = %exchange.client,
            user_agent = exchange.user_agent.as_ref().map(printable),
            referer = exchange.referer.as_ref().map(|referer| without_query(&printable(referer)).to_string()),
            request_id = exchange.id,
            "request answered"
        );
    }
}

/// A client's header without control characters, cut off at [`MAX_HEADER_BYTES`].
fn printable(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    bytes[..bytes.len().min(MAX_HEADER_BYTES)].escape_ascii().to_string()
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_logged_in_part_and_without_control_characters() {
        let given = |bytes: &[u8]| printable(&HeaderValue::from_bytes(bytes).unwrap());
        assert_eq!(given(b"Mozilla/5.0 (X11)"), "Mozilla/5.0 (X11)");
        assert_eq!(given("a\u{9b}2J".as_bytes()), r"a\xc2\x9b2J");
        assert_eq!(given(&[b'a'; 2_000]).len(), MAX_HEADER_BYTES);
    }

    #[test]
    fn a_referer_is_logged_without_its_query() {
        for referer in ["https://a/update-password?key=1", "https://a/update-password#key"] {
            assert_eq!(without_query(referer), "https://a/update-password");
        }
    }
}
