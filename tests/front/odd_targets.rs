//! Request targets that no browser sends and other servers accept; and invalid requests.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use serde_json::Value;

use crate::stage::{self, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::{LONG, Pod, event};
use crate::support::http;
use crate::support::wait::eventually;

const TARGET: &str = "/api/method/frappe.sample.target";

/// Returns the target that gunicorn read, byte for byte, and the arguments that Frappe's code got.
fn seen(body: &str) -> (String, Value) {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let raw = body["message"]["raw"].as_str().expect("a target").chars();
    let bytes = raw.map(|latin1| u8::try_from(u32::from(latin1)).expect("a byte")).collect();
    (String::from_utf8(bytes).expect("UTF-8"), body["message"]["arguments"].clone())
}

const QUERIES: [(&str, &str, &str); 7] = [
    // As Frappe's documentation writes it.
    (
        r#"filters=[["Item","creation",">","2024-01-01"]]"#,
        "filters",
        r#"[["Item","creation",">","2024-01-01"]]"#,
    ),
    (r#"fields=["name","a<b"]"#, "fields", r#"["name","a<b"]"#),
    ("a=`{b}|c^\\d'e'", "a", "`{b}|c^\\d'e'"),
    ("a=žluťoučký+кůň", "a", "žluťoučký кůň"),
    ("a=%22%3C\"<%3e>", "a", "\"<\"<>>"),
    ("a=%zz%", "a", "%zz%"),
    ("a=?/;:@!$,()*~[]", "a", "?/;:@!$,()*~[]"),
];

#[test]
fn frappe_gets_the_unchanged_bytes_of_a_target() {
    let stage = stage::new();
    let _pod = stage.serving();
    for (query, name, value) in QUERIES {
        let target = format!("{TARGET}?{query}");
        let answer = http::get(stage.port, SITE, &target).expect("an answer");
        assert_eq!(answer.status, 200, "{target}: {}", answer.head);
        let (raw, arguments) = seen(&answer.body);
        assert_eq!((raw.as_str(), arguments[name].as_str()), (target.as_str(), Some(value)));
        let output = Command::new("curl")
            .args(["-sS", "-g", "--path-as-is", "--http2-prior-knowledge"])
            .arg(format!("http://127.0.0.1:{}{target}", stage.port))
            .output()
            .expect("curl");
        assert_eq!(seen(&String::from_utf8_lossy(&output.stdout)).0, target, "over HTTP/2");
    }
    let absolute = format!("GET http://{SITE}{TARGET}?a=<\"> HTTP/1.1\r\nHost: {SITE}\r\n");
    let answer = http::request(stage.port, &format!("{absolute}Connection: close\r\n\r\n"));
    assert_eq!(seen(&answer.expect("an answer").body).0, format!("{TARGET}?a=<\">"));
}

#[test]
fn files_with_odd_names_are_served() {
    let stage = stage::new();
    let _pod = stage.serving();
    let names = ["a\"b<c>.txt", "`x`|^{y}.txt", "příloha č. 1.txt", "'it''s'.txt", "..a\"..txt"];
    for part in ["public", "private"] {
        let folder = stage.bench.sites().join(SITE).join(part).join("files");
        fs::create_dir_all(&folder).expect("a folder of files");
        for name in names {
            fs::write(folder.join(name), name).expect("a file");
        }
    }
    let form = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
    let login = http::post(stage.port, SITE, "/api/method/login", &form).expect("an answer");
    let cookie = format!("Cookie: {}", login.header("set-cookie").split(';').next().unwrap_or_default());
    for name in names {
        for root in ["/files/", "/private/files/"] {
            // gunicorn itself breaks raw path bytes above 127 (`unquote_to_wsgi_str`), whatever server is in front
            // of it.
            if !name.is_ascii() && root == "/private/files/" {
                continue;
            }
            let path = format!("{root}{}", name.replace(' ', "%20"));
            let answer = http::get_with(stage.port, SITE, &path, &[&cookie]).expect("an answer");
            assert_eq!((answer.status, answer.body.as_str()), (200, name), "{path}");
        }
    }
}

/// HTTP/2 in clear with one request for this path, and nothing of the answer read.
fn http2(port: u16, path: &[u8]) -> TcpStream {
    let length = |bytes: usize| u8::try_from(bytes).expect("short");
    // GET, http, the path as a literal, the authority as a literal (RFC 7541, 6.2.2 and A).
    let mut fields = vec![0x82, 0x86, 0x04, length(path.len())];
    fields.extend_from_slice(path);
    fields.extend_from_slice(&[0x01, length(SITE.len())]);
    fields.extend_from_slice(SITE.as_bytes());
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&[0, 0, length(fields.len()), 1, 5, 0, 0, 0, 1]);
    bytes.extend_from_slice(&fields);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.write_all(&bytes).expect("a request");
    stream
}

fn counted(pod: &Pod, labels: &str) -> u64 {
    let metrics = pod.body("/metrics");
    let name = format!("cauldron_frappe_http_unparsed_requests_total{{{labels}}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{name}: {metrics}")).parse().expect("a number")
}

#[test]
fn invalid_requests_are_rejected_counted_and_logged() {
    let stage = stage::new();
    let pod = stage.serving();
    let refused: [&[u8]; 9] = [
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?a=\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?a=\tb HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?a=\rb HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /caf\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET no/slash HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS where there is none\r\n\r\n",
    ];
    for bytes in refused {
        let answer = http::exchange(stage.port, bytes).unwrap_or_default();
        let request = String::from_utf8_lossy(bytes);
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{request}: {}", String::from_utf8_lossy(&answer));
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    assert!(http::exchange(stage.port, long.as_bytes()).unwrap_or_default().starts_with(b"HTTP/1.1 4"));
    let malformed = r#"protocol="http1",reason="malformed""#;
    eventually(LONG, "all are counted", || {
        let counts =
            [malformed, r#"protocol="http1",reason="too_large""#].map(|labels| counted(&pod, labels));
        (counts == [refused.len() as u64, 1]).then_some(())
    });
    let streams = [&b"/a\x01b"[..], b"/a b", b"/caf\xe9", b"no-slash"].map(|path| http2(stage.port, path));
    let http2_malformed = r#"protocol="http2",reason="malformed""#;
    eventually(LONG, "and those over HTTP/2", || {
        (counted(&pod, http2_malformed) == streams.len() as u64).then_some(())
    });
    // The metric is counted at once; a thread of its own writes the log.
    let kinds = ["\"http1\",\"reason\":\"malformed\"", "too_large", "\"http2\""];
    let lines = eventually(LONG, "each kind is logged", || {
        let log = pod.log();
        let lines: Vec<String> =
            log.lines().filter(|line| line.contains(&event("request.invalid"))).map(str::to_string).collect();
        kinds.iter().all(|kind| lines.iter().any(|line| line.contains(kind))).then_some(lines)
    });
    assert!(lines.len() < refused.len(), "one line a minute, not one for each request: {lines:?}");
    assert!(lines.iter().all(|line| line.contains("\"client\":\"127.0.0.1\"")), "{lines:?}");
    // Negative control: valid requests are answered, and not counted.
    let _good = http2(stage.port, b"/api/method/ping");
    assert_eq!(stage.get("/api/method/ping?a=<\">"), 200);
    assert_eq!(counted(&pod, malformed), refused.len() as u64);
}
