//! Connections with HTTP/2: requests in valid frames, the same with changes, and floods of every kind of frame.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::floods::flood;
use crate::hpack;
use crate::mutate::mutate;
use crate::rfc9112::Accepted;
use crate::support::h2::{client_preface, frame};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
/// A frame's head and one byte of a header block.
pub const MIN_REQUEST_BYTES: usize = 10;

/// Fields that are not valid in HTTP/2, or that would end a header or a request in HTTP/1.
const ODD_FIELDS: [(&str, &str); 18] = [
    ("transfer-encoding", "chunked"),
    ("connection", "keep-alive"),
    ("upgrade", "h2c"),
    ("content-length", "1"),
    ("content-length", "0\r\nx: y"),
    ("x-a", "b\r\nX-Frappe-Site-Name: evil"),
    ("x-a", "b\nc"),
    ("x-a", "b\0c"),
    ("x-a: b\r\nhost", "evil"),
    ("X-Upper", "a"),
    ("", "empty"),
    ("x y", "a"),
    (":path", "/second"),
    (":scheme", "https"),
    (":unknown", "a"),
    ("host", "evil.local"),
    ("te", "gzip"),
    ("x_frappe_site_name", "evil.local"),
];
const ODD_PATHS: [&str; 10] = [
    "/a b",
    "/a\r\nX: y",
    "/a HTTP/1.1\r\nHost: a\r\n\r\nGET /hidden",
    "",
    "a",
    "*",
    "//",
    "http://other.local/",
    "/a\0",
    "/a#b",
];

/// The bytes of one connection, and its requests if all of them are valid.
pub fn connection(rng: &mut StdRng) -> (Vec<u8>, Option<Vec<Accepted>>) {
    let window = *[65_535, 0, 1, 1 << 20, 0x7fff_ffff].choose(rng).expect("a window");
    let mut bytes = client_preface(window);
    let (mut streams, mut requests, mut all_valid) = (Vec::new(), Vec::new(), true);
    for n in 0..rng.random_range(1..8) {
        let (frames, request) = stream(rng, 2 * n + 1);
        all_valid &= request.is_some();
        requests.extend(request);
        streams.push(frames);
    }
    bytes.extend(interleaved(rng, streams).concat());
    if rng.random_bool(0.15) {
        bytes.extend(flood(rng));
        all_valid = false;
    }
    if rng.random_bool(0.5) {
        for _ in 0..rng.random_range(1..4) {
            mutate(rng, &mut bytes);
        }
        all_valid = false;
    }
    (bytes, all_valid.then_some(requests))
}

/// One stream's frames, and its request if it is valid.
fn stream(rng: &mut StdRng, id: u32) -> (Vec<Vec<u8>>, Option<Accepted>) {
    let method = *["GET", "GET", "POST", "PUT", "HEAD", "OPTIONS"].choose(rng).expect("a method");
    let mut target = format!("/api/method/h2.{id}?length={}", [0, 10, 30_000][rng.random_range(0..3)]);
    let mut is_valid = true;
    if rng.random_bool(0.05) {
        target = (*ODD_PATHS.choose(rng).expect("a path")).to_owned();
        is_valid = false;
    }
    let body = match rng.random_range(0..6) {
        0 | 1 => vec![b'b'; rng.random_range(1..3000)],
        2 => b"GET /hidden HTTP/1.1\r\nHost: web.local\r\n\r\n".to_vec(),
        _ => Vec::new(),
    };
    let mut block = Vec::new();
    for (name, value) in
        [(":method", method), (":path", &target), (":scheme", "http"), (":authority", "web.local")]
    {
        block.extend(hpack::literal(rng, name.as_bytes(), value.as_bytes()));
    }
    if rng.random_bool(0.5) {
        block.extend(hpack::literal(rng, b"content-length", body.len().to_string().as_bytes()));
    }
    if rng.random_bool(0.15) {
        let (name, value) = ODD_FIELDS.choose(rng).expect("a field");
        block.extend(hpack::literal(rng, name.as_bytes(), value.as_bytes()));
        is_valid = false;
    }
    if rng.random_bool(0.05) {
        block.extend(if rng.random() { hpack::invalid(rng) } else { hpack::bomb(rng, 2000) });
        is_valid = false;
    }
    let mut frames = head(rng, id, &block, body.is_empty());
    for (n, part) in body.chunks(1000).enumerate() {
        let is_last = (n + 1) * 1000 >= body.len();
        frames.push(data(rng, id, part, is_last));
    }
    let request = Accepted { method: method.to_owned(), target: target.into_bytes(), body };
    (frames, is_valid.then_some(request))
}

/// A HEADERS frame, sometimes with CONTINUATION frames, which nothing may interrupt.
fn head(rng: &mut StdRng, id: u32, block: &[u8], is_end: bool) -> Vec<Vec<u8>> {
    let flags = if is_end { END_STREAM } else { 0 };
    if rng.random_bool(0.7) {
        return vec![frame(HEADERS, flags | END_HEADERS, id, block)];
    }
    let (first, rest) = block.split_at(rng.random_range(0..block.len()));
    let mut bytes = frame(HEADERS, flags, id, first);
    bytes.extend(frame(CONTINUATION, END_HEADERS, id, rest));
    vec![bytes]
}

fn data(rng: &mut StdRng, id: u32, part: &[u8], is_last: bool) -> Vec<u8> {
    let flags = if is_last { END_STREAM } else { 0 };
    if rng.random_bool(0.8) {
        return frame(DATA, flags, id, part);
    }
    let padding = rng.random_range(0..50);
    let payload = [&[padding], part, &vec![0; padding.into()]].concat();
    frame(DATA, flags | PADDED, id, &payload)
}

/// The frames of all streams, each stream's in its order; streams begin in the order of their numbers.
fn interleaved(rng: &mut StdRng, streams: Vec<Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    let (heads, bodies): (Vec<_>, Vec<_>) =
        streams.into_iter().map(|mut frames| (frames.remove(0), frames)).unzip();
    let mut turns: Vec<usize> =
        bodies.iter().enumerate().flat_map(|(n, frames)| vec![n; frames.len()]).collect();
    turns.shuffle(rng);
    let mut bodies: Vec<_> = bodies.into_iter().map(Vec::into_iter).collect();
    let rest = turns.into_iter().filter_map(|n| bodies[n].next()).collect::<Vec<_>>();
    heads.into_iter().chain(rest).collect()
}
