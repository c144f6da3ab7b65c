//! Connections with HTTP/1: pipelined requests in many valid and odd forms, most of them changed at random places.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::mutate::mutate;

const METHODS: [&str; 12] =
    ["GET", "GET", "GET", "POST", "POST", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT"];
const TARGETS: [&str; 22] = [
    "/api/method/ping",
    "/api/method/ping",
    "/api/resource/Item?filters=[[\"Item\",\"creation\",\">\",\"2024-01-01\"]]",
    "/app/item/a%20b?x=%0d%0aY:z",
    "/?length=300000",
    "/x?length=20000&stream=1",
    "/x?status=404&type=text/html",
    "/assets/assets.json",
    "/files/none.txt",
    "/files/../../site_config.json",
    "/private/files/a.txt",
    "/socket.io/?EIO=4&transport=polling",
    "//double//slash",
    "/%2e%2e/%00",
    "/a;b=c?d#e",
    "/\u{e9}\u{4e2d}",
    "*",
    "http://web.local/absolute?a=b",
    "http://other.local",
    "web.local:80",
    "/favicon.ico",
    "/login",
];
const HEADERS: [&str; 30] = [
    "Host: web.local",
    "Host: web.local:8000",
    "Host: other.local",
    "Host: a/b",
    "Connection: keep-alive",
    "Connection: close",
    "Connection: x-forwarded-for, x-frappe-site-name",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\nSec-WebSocket-Version: 13",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: 18446744073709551616",
    "Content-Type: application/json",
    "Cookie: sid=Guest; a=b",
    "Expect: 100-continue",
    "Expect: 200-ok",
    "TE: trailers",
    "Trailer: X-T",
    "X-Forwarded-For: 6.6.6.6",
    "X-Frappe-Site-Name: evil.local",
    "X_Frappe_Site_Name: evil.local",
    "X-Forwarded-Proto: https",
    "X-Accel-Redirect: /protected/site_config.json",
    "Range: bytes=0-4",
    "If-None-Match: *",
    "Accept-Encoding: gzip, br",
];

/// The bytes of one connection.
pub fn connection(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.random_range(1..5) {
        bytes.extend(request(rng));
    }
    if rng.random_bool(0.7) {
        for _ in 0..rng.random_range(1..5) {
            mutate(rng, &mut bytes);
        }
    }
    bytes
}

fn request(rng: &mut StdRng) -> Vec<u8> {
    let method = METHODS.choose(rng).expect("a method");
    let target = TARGETS.choose(rng).expect("a target");
    let version = if rng.random_bool(0.1) { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut head = format!("{method} {target} {version}\r\n");
    if rng.random_bool(0.9) {
        head += "Host: web.local\r\n";
    }
    for _ in 0..[0, 0, 0, 1, 2, 6][rng.random_range(0..6)] {
        head += HEADERS.choose(rng).expect("a header");
        head += "\r\n";
    }
    if rng.random_bool(0.02) {
        head += &format!("X-Long: {}\r\n", "x".repeat(rng.random_range(1000..100_000)));
    }
    let body = body(rng);
    match rng.random_range(0..4) {
        0 | 1 if body.is_empty() => [head.as_bytes(), b"\r\n"].concat(),
        0..3 => {
            [head.as_bytes(), format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
        }
        _ => [head.as_bytes(), b"Transfer-Encoding: chunked\r\n\r\n", &chunked(rng, &body)].concat(),
    }
}

fn body(rng: &mut StdRng) -> Vec<u8> {
    // Another request as a body is what smuggling looks like.
    const HIDDEN: &[u8] = b"GET /hidden HTTP/1.1\r\nHost: web.local\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    match rng.random_range(0..10) {
        0..4 => Vec::new(),
        4..6 => b"a=b".to_vec(),
        6..8 => HIDDEN.to_vec(),
        8 => (0..rng.random_range(1..200)).map(|_| rng.random()).collect(),
        _ => vec![b'z'; [20_000, 70_000, 200_000][rng.random_range(0..3)]],
    }
}

fn chunked(rng: &mut StdRng, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(rng.random_range(1..=rest.len()));
        let extension = ["", "", "", ";a=b", ";a=\"b;c\"", " "].choose(rng).expect("an extension");
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
        rest = later;
    }
    bytes.extend(["0\r\n\r\n", "0\r\nX-T: 1\r\n\r\n", "000\r\n\r\n"].choose(rng).expect("an end").bytes());
    bytes
}
