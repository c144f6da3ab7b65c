//! Responses that Frappe wants to reach the client as they come: `X-Accel-Buffering: no`, as nginx understands it, and
//! event streams. They are neither read ahead nor compressed, so that a slow client slows their gunicorn thread.

use hyper::header::{self, HeaderMap};

const BUFFERING: &str = "x-accel-buffering";
/// Frappe's orders to the proxy; nginx does not forward them either.
const ORDERS: [&str; 5] =
    [BUFFERING, "x-accel-redirect", "x-accel-expires", "x-accel-limit-rate", "x-accel-charset"];

/// True if a response with these headers must not be buffered.
pub fn is_streamed(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let of_type =
        text(header::CONTENT_TYPE.as_str()).unwrap_or_default().split(';').next().unwrap_or_default();
    match text(BUFFERING) {
        Some(order) if order.eq_ignore_ascii_case("no") => true,
        Some(order) if order.eq_ignore_ascii_case("yes") => false,
        _ => of_type.trim_end().eq_ignore_ascii_case("text/event-stream"),
    }
}

/// Removes the headers that are meant for us.
pub fn remove_orders(headers: &mut HeaderMap) {
    for name in ORDERS {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frappe_decides_and_event_streams_are_streamed() {
        let streamed = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_streamed(&given.collect())
        };
        let (buffering, content) = ("x-accel-buffering", "content-type");
        assert!(streamed(&[(buffering, "no")]) && streamed(&[(buffering, " NO "), (content, "text/csv")]));
        assert!(streamed(&[(content, "text/event-stream")]));
        assert!(streamed(&[(content, "Text/Event-Stream ; charset=utf-8"), (buffering, "other")]));
        assert!(!streamed(&[(content, "text/event-stream"), (buffering, "yes")]));
        assert!(!streamed(&[(content, "text/event-streams")]) && !streamed(&[(buffering, "0")]));
        assert!(!streamed(&[]));
    }
}
