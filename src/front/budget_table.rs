//! The numbers in the table of budgets in docs/web-port.md, from the constants that the code uses. src/readme.rs holds
//! the table to them.

use std::time::Duration;

use super::bounds::*;
use crate::buffers::bounds::*;
use crate::config::runtime_size::{LARGE_REQUESTS_PERCENT, RESPONSES_PERCENT, SMALL_REQUESTS_PERCENT};
use crate::sys::limits::{MAX_CONNECTIONS, MAX_STREAMS as MAX_SHARED_STREAMS};

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KB", bytes >> 10),
        _ => format!("{} MB", bytes >> 20),
    }
}

/// Each resource, and the numbers in its limit, in the order in which the table has them.
pub fn numbers() -> Vec<(&'static str, Vec<String>)> {
    let percent = |percent: u64| format!("{percent} %");
    let (head_time, window) = (seconds(HEAD_TIMEOUT), seconds(CLIENT_TIMEOUT));
    let of_connection = [MAX_REQUEST_IN_MEMORY_BYTES as u64, MAX_RESPONSE_IN_MEMORY_BYTES as u64];
    let shares = [SMALL_REQUESTS_PERCENT, LARGE_REQUESTS_PERCENT, RESPONSES_PERCENT].map(percent);
    vec![
        ("connections in all", vec![MAX_CONNECTIONS.to_string()]),
        ("bytes of a request's head", vec![size(MAX_HEAD_BYTES as u64)]),
        ("time from the connection to the first head", vec![head_time.clone()]),
        ("time without a further request", vec![head_time]),
        ("HTTP/2 streams of a connection", vec![MAX_STREAMS.to_string()]),
        ("HTTP/2 streams in progress", vec![MAX_SHARED_STREAMS.to_string(), MAX_WAITING_STREAMS.to_string()]),
        ("WebSockets, and polls over HTTP/2", vec![MAX_WAITING_STREAMS.to_string()]),
        ("progress of a request's body", vec![size(MIN_REQUEST_BYTES), window.clone()]),
        ("progress of a response", vec![size(MIN_RESPONSE_BYTES), window]),
        ("bytes of a request's body", Vec::new()),
        (
            "buffered bytes of a connection",
            [&of_connection.map(size)[..], &[size(CONNECTION_OUTFLOW_BYTES), size(MAX_UNSENT_BYTES.into())]]
                .concat(),
        ),
        ("buffered bytes in all", vec![size(MAX_BUFFERED_IN_MEMORY_BYTES)]),
        ("HTTP/2 responses on their way, in all", vec![size(SHARED_OUTFLOW_BYTES)]),
        (
            "bytes in the runtime folder in all",
            [&shares[..], &[seconds(ROOM_TIMEOUT), seconds(SLOW_AFTER)]].concat(),
        ),
        (
            "requests on their way to gunicorn",
            vec![MAX_AT_GUNICORN.to_string(), MAX_WAITING_FOR_GUNICORN.to_string()],
        ),
        ("requests held while gunicorn is away", vec![seconds(HOLD_TIMEOUT)]),
    ]
}
