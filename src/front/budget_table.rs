//! The table of budgets in docs/web-port.md, from the constants that the code uses. src/readme.rs writes and holds it.

use std::time::Duration;

use super::bounds::*;
use crate::buffers::bounds::*;
use crate::config::runtime_size::{LARGE_REQUESTS_PERCENT, RESPONSES_PERCENT, SMALL_REQUESTS_PERCENT};
use crate::sys::limits::{MAX_CONNECTIONS, MAX_STREAMS as MAX_SHARED_STREAMS};

pub const COLUMNS: [&str; 5] = ["resource", "limit", "past it, the client gets", "metric", "log event"];

type Row = [String; COLUMNS.len()];

/// Names without the common prefix, separated by blanks; nothing is a row of its own kind.
fn row(resource: &str, limit: String, past: &str, metrics: &str, event: &str) -> Row {
    let metrics: Vec<String> = metrics.split(' ').map(|name| format!("`cauldron_frappe_{name}`")).collect();
    [resource.into(), limit, past.into(), metrics.join(", "), format!("`{event}`")]
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KB", bytes >> 10),
        _ => format!("{} MB", bytes >> 20),
    }
}

fn refused(reason: &str) -> String {
    format!("http_requests_refused_total{{reason=\"{reason}\"}}")
}

fn let_go(reason: &str) -> String {
    format!("http_clients_let_go_total{{reason=\"{reason}\"}}")
}

pub fn rows() -> Vec<Vec<String>> {
    let all = [connections(), progress(), bytes(), requests()];
    all.into_iter().flatten().map(|row| row.to_vec()).collect()
}

fn connections() -> Vec<Row> {
    let head_time = seconds(HEAD_TIMEOUT);
    vec![
        row(
            "connections in all",
            format!("what fits into the limit of open files, at most {MAX_CONNECTIONS}"),
            "its connection waits in the kernel; idle ones are closed to make room, the longest idle first",
            &format!("http_connections http_connections_limit {}", let_go("idle_at_limit")),
            "web.connections_full",
        ),
        row(
            "bytes of a request's head",
            size(MAX_HEAD_BYTES as u64),
            "431, or 414 for its target; HTTP/2: the stream is refused",
            "http_unparsed_requests_total{reason=\"too_large\"}",
            "request.invalid",
        ),
        row(
            "time from the connection to the first head",
            head_time.clone(),
            "the connection is closed",
            &let_go("no_head"),
            "web.clients_disconnected",
        ),
        row(
            "time without a further request",
            head_time,
            "the connection is closed",
            &let_go("idle"),
            "web.idle_connection_closed",
        ),
        row(
            "HTTP/2 streams of a connection",
            MAX_STREAMS.to_string(),
            "the stream is refused (REFUSED_STREAM); clients then wait by themselves",
            &refused("connection_streams"),
            "request.refused",
        ),
        row(
            "HTTP/2 streams in progress",
            format!(
                "one for each connection, and {MAX_SHARED_STREAMS} more in all, or a sixteenth of the open files; \
                 {MAX_WAITING_STREAMS} wait"
            ),
            "503 with Retry-After",
            &format!("http_slots_used http_slots_waiting {}", refused("streams_full")),
            "request.refused",
        ),
    ]
}

fn progress() -> Vec<Row> {
    let window = seconds(CLIENT_TIMEOUT);
    vec![
        row(
            "progress of a request's body",
            format!("{} in {window}, or the rest", size(MIN_REQUEST_BYTES)),
            "408",
            &format!("{} {}", let_go("slow_body"), refused("body_too_slow")),
            "request.refused",
        ),
        row(
            "progress of a response",
            format!("{} in {window}", size(MIN_RESPONSE_BYTES)),
            "the connection is reset",
            &let_go("unread_answer"),
            "web.clients_disconnected",
        ),
    ]
}

fn bytes() -> Vec<Row> {
    vec![
        row(
            "bytes of a request's body",
            "`CLIENT_MAX_BODY_SIZE`, and what the runtime folder can take".into(),
            "413",
            &refused("body_too_large"),
            "request.refused",
        ),
        row(
            "buffered bytes of a connection",
            format!(
                "{} of a request, {} of a response; HTTP/2: {} of all responses, without waiting for others",
                size(MAX_REQUEST_IN_MEMORY_BYTES as u64),
                size(MAX_RESPONSE_IN_MEMORY_BYTES as u64),
                size(CONNECTION_OUTFLOW_BYTES)
            ),
            "the rest goes to the runtime folder; HTTP/2 responses wait",
            "http_kept_bytes{place=\"memory\"} http_streams_kept_bytes",
            "web.buffer_memory_full",
        ),
        row(
            "buffered bytes in all",
            size(MAX_BUFFERED_IN_MEMORY_BYTES),
            "the rest goes to the runtime folder",
            "http_kept_bytes{place=\"memory\"}",
            "web.buffer_memory_full",
        ),
        row(
            "HTTP/2 responses on their way, in all",
            size(SHARED_OUTFLOW_BYTES),
            "its responses wait until it has read others",
            "http_streams_kept_bytes",
            "web.streams_slowed",
        ),
        row(
            "bytes in the runtime folder in all",
            format!(
                "of its [capacity](#memory-and-disk) {SMALL_REQUESTS_PERCENT} %; large bodies up to \
                 {LARGE_REQUESTS_PERCENT} %, responses up to {RESPONSES_PERCENT} %"
            ),
            &format!(
                "responses come at its own pace; an upload waits, at most {}, then 503 with Retry-After",
                seconds(ROOM_TIMEOUT)
            ),
            &format!(
                "http_kept_bytes{{place=\"disk\"}} http_kept_refused_total http_uploads_waiting {}",
                refused("spool_full")
            ),
            "web.buffer_full",
        ),
    ]
}

fn requests() -> Vec<Row> {
    vec![
        row(
            "requests on their way to gunicorn",
            format!("{MAX_AT_GUNICORN}; {MAX_WAITING_FOR_GUNICORN} wait"),
            "503 with Retry-After",
            &format!(
                "http_slots_used{{kind=\"gunicorn\"}} http_slots_waiting{{kind=\"gunicorn\"}} {}",
                refused("gunicorn_full")
            ),
            "request.refused",
        ),
        row(
            "requests held while gunicorn is away",
            format!("the same places, each for {}", seconds(HOLD_TIMEOUT)),
            "503 with Retry-After",
            &format!("http_requests_held {}", refused("gunicorn_away")),
            "request.refused",
        ),
    ]
}
