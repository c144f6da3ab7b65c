//! Request smuggling: a request whose end is ambiguous is refused, or ends the connection.

use std::fs;

use crate::stage::{self, SITE};
use crate::support::http;

/// Returns the statuses of the responses on one connection.
fn answers(port: u16, bytes: &str) -> Vec<u16> {
    let answer = http::exchange(port, bytes.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let statuses =
        text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
    statuses.collect()
}

#[test]
fn no_request_can_be_hidden_in_another() {
    let stage = stage::new();
    let _pod = stage.serving();
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("smuggled");
    let hidden = format!(
        "GET /api/method/frappe.sample.mark?path={} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n",
        mark.display()
    );
    let post = format!("POST /api/method/ping HTTP/1.1\r\nHost: {SITE}\r\n");
    let length = hidden.len();
    let attacks = [
        (
            "CL.TE",
            format!(
                "{post}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
                length + 5
            ),
        ),
        ("TE.CL", format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{hidden}")),
        ("two lengths", format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}")),
        ("a list of lengths", format!("{post}Content-Length: 0, {length}\r\n\r\n{hidden}")),
        ("a signed length", format!("{post}Content-Length: +{length}\r\n\r\n{hidden}")),
        ("a hexadecimal length", format!("{post}Content-Length: 0x0\r\n\r\n{hidden}")),
        ("another encoding", format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}")),
        ("two encodings", format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{hidden}")),
        (
            "an encoding twice",
            format!(
                "{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        ("an unknown encoding", format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}")),
        (
            "a folded header",
            format!("{post}Transfer-Encoding:\r\n chunked\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        ),
        (
            "a blank before the colon",
            format!("{post}Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n{hidden}"),
        ),
        (
            "a control character",
            format!("{post}Transfer-Encoding: \x0bchunked\r\nContent-Length: 0\r\n\r\n{hidden}"),
        ),
        ("a bad chunk", format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n{hidden}")),
        (
            "a huge chunk",
            format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n{hidden}"),
        ),
        (
            "HTTP/1.0 in chunks",
            format!(
                "POST /api/method/ping HTTP/1.0\r\nHost: {SITE}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        ("two hosts", format!("GET /api/method/ping HTTP/1.1\r\nHost: {SITE}\r\nHost: evil\r\n\r\n{hidden}")),
        ("no host", format!("GET /api/method/ping HTTP/1.1\r\n\r\n{hidden}")),
        (
            "a line end in a path",
            format!(
                "GET /api/method/ping%0d%0aX:y HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n{hidden}"
            ),
        ),
    ];
    for (name, bytes) in attacks {
        let answers = answers(stage.port, &bytes);
        assert!(answers.len() <= 1, "{name}: {answers:?}");
        assert!(!mark.exists(), "{name}: the hidden request was processed");
    }
    // Negative control: as two plain requests, both are answered.
    let plain = format!("GET /api/method/ping HTTP/1.1\r\nHost: {SITE}\r\n\r\n{hidden}");
    assert_eq!(answers(stage.port, &plain), [200, 200]);
    assert_eq!(fs::read_to_string(mark).expect("a mark").lines().count(), 1);
}

#[test]
fn clients_cannot_set_headers_that_frappe_trusts() {
    let stage = stage::new();
    let _pod = stage.serving();
    let forged = [
        "X-Frappe-Site-Name: evil.local",
        "X_Frappe_Site_Name: evil.local",
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Host: evil.local",
        "Forwarded: for=6.6.6.6;proto=https",
        "X-Real-Ip: 6.6.6.6",
        "Connection: x-evil, x-frappe-site-name",
        "X-Evil: evil",
        "X-Accel-Redirect: evil",
        "X-Use-X-Accel-Redirect: evil",
        "X-Frappe-Request-Id: evil",
        "Proxy: http://evil.local",
    ];
    let seen =
        http::get_with(stage.port, SITE, "/api/method/frappe.sample.headers", &forged).expect("an answer");
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert!(
        !seen.body.contains("evil") && !seen.body.contains("6.6.6.6") && !seen.body.contains("https"),
        "{}",
        seen.body
    );
    assert!(seen.body.contains("\"X-Forwarded-For\":\"127.0.0.1\""), "{}", seen.body);
    // Negative control: the same headers from a trusted proxy.
    let place_two = stage;
    drop(_pod);
    let _trusting = crate::support::stage::ready(
        place_two
            .web()
            .set("CAULDRON_TRUSTED_PROXIES", "127.0.0.0/8")
            .set("CAULDRON_HOSTS", format!("{SITE} evil.local={SITE}")),
    );
    let seen = http::get_with(place_two.port, SITE, "/api/method/frappe.sample.headers", &forged)
        .expect("an answer");
    for word in [
        "\"scheme\":\"https\"",
        "\"X-Forwarded-For\":\"6.6.6.6\"",
        "\"host\":\"evil.local\"",
        "\"X-Frappe-Site-Name\":\"web.local\"",
    ] {
        assert!(seen.body.contains(word), "{word}: {}", seen.body);
    }
}
