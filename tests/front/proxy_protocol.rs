//! The PROXY protocol, from the peers that have to speak it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::stage::{self, SITE};
use crate::support::http;
use crate::support::stage::ready;

const HEADERS: &str = "/api/method/frappe.sample.headers";
const V1: &[u8] = b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x30\x39\0\x50";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn request(more: &str) -> Vec<u8> {
    format!("GET {HEADERS} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

/// The answer to a header with a request behind it.
fn answer(port: u16, header: &[u8], more: &str) -> String {
    let bytes = [header, &request(more)].concat();
    String::from_utf8_lossy(&http::exchange(port, &bytes).expect("a connection")).into_owned()
}

/// The answer to bytes of which each is a segment of its own.
fn answer_in_pieces(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    for byte in bytes {
        stream.write_all(&[*byte]).expect("a byte");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn forwarded(address: &str) -> String {
    format!("\"X-Forwarded-For\":\"{address}\"")
}

#[test]
fn a_named_peer_brings_the_address_of_its_client() {
    let stage = stage::new();
    let binary = stage.web().set("CAULDRON_PROXY_PROTOCOL", "10.9.9.9, 127.0.0.0/8");
    let pod = ready(binary.set("CAULDRON_TRUSTED_PROXIES", "203.0.113.10"));
    for header in [V1, V2] {
        assert!(
            answer(stage.port, header, "X-Forwarded-For: 6.6.6.6\r\n").contains(&forwarded("203.0.113.9"))
        );
        assert!(
            answer_in_pieces(stage.port, &[header, &request("")].concat())
                .contains(&forwarded("203.0.113.9"))
        );
    }
    for unknown in [LOCAL, b"PROXY UNKNOWN\r\n"] {
        assert!(answer(stage.port, unknown, "").contains(&forwarded("127.0.0.1")));
    }
    // The client of the header may be a trusted proxy.
    let proxy = b"PROXY TCP4 203.0.113.10 10.0.0.1 12345 80\r\n";
    assert!(answer(stage.port, proxy, "X-Forwarded-For: 6.6.6.6\r\n").contains(&forwarded("6.6.6.6")));
    // HTTP/2 without TLS, and a connection that is kept.
    let preface = [V2, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"].concat();
    let mut http2 = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).expect("a connection");
    http2.write_all(&preface).expect("a preface");
    let mut frame = [0; 9];
    http2.read_exact(&mut frame).expect("a frame");
    assert_eq!(frame[3], 4, "no SETTINGS: {frame:?}");
    let kept = String::from_utf8(request("")).expect("text").replace("Connection: close\r\n", "");
    let two = [V1, kept.as_bytes(), &request("")].concat();
    let answers = http::exchange(stage.port, &two).expect("answers");
    assert_eq!(String::from_utf8_lossy(&answers).matches(&forwarded("203.0.113.9")).count(), 2);
    pod.says("\"client\":\"203.0.113.9\"");
    let refused = [
        request(""),
        b"PROXY TCP4 999.0.113.9 10.0.0.1 12345 80\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
        [b"PROXY UNKNOWN ", &[b'a'; 200][..], b"\r\n"].concat(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(),
    ];
    for bytes in &refused {
        assert_eq!(http::exchange(stage.port, bytes).expect("a connection"), b"", "{bytes:?}");
    }
    let count = "cauldron_frappe_http_unparsed_requests_total{protocol=\"proxy\",reason=\"malformed\"} 4\n";
    assert!(pod.body("/metrics").contains(count), "{}", pod.body("/metrics"));
    pod.event("request.invalid");
}

#[test]
fn a_peer_that_is_not_named_cannot_send_it() {
    let stage = stage::new();
    let _pod = ready(stage.web().set("CAULDRON_PROXY_PROTOCOL", "10.9.9.9"));
    for header in [V1, V2, LOCAL] {
        let answer = answer(stage.port, header, "");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(answer(stage.port, b"", "").contains(&forwarded("127.0.0.1")));
}
