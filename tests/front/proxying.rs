//! Requests to Frappe: limits, slow and large bodies, protocols, ids, and the log.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod};
use crate::support::http;
use crate::support::stage::ready;
use crate::support::wait::eventually;

const COUNT: &str = "/api/method/frappe.sample.count";

fn resident_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).expect("a number").parse().expect("kB")
}

/// Sends a body of this size in pieces, and returns the response.
fn upload(port: u16, bytes: u64) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a deadline");
    let head = format!(
        "POST {COUNT} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let piece = vec![7; 1 << 20];
    for _ in 0..bytes / piece.len() as u64 {
        stream.write_all(&piece).expect("a piece");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_large_upload_and_download_need_constant_memory() {
    let stage = stage::new();
    let pod = ready(stage.web().set("CLIENT_MAX_BODY_SIZE", "0"));
    let before = resident_kb(pod.pid());
    let bytes: u64 = 2 << 30;
    let answer = upload(stage.port, bytes);
    assert!(answer.contains(&format!("{{\"message\":{bytes}}}")), "{answer}");
    let folder = stage.bench.sites().join(SITE).join("public/files");
    fs::create_dir_all(&folder).expect("public/files");
    fs::File::create(folder.join("big.bin")).and_then(|file| file.set_len(bytes)).expect("a large file");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).expect("a connection");
    write!(stream, "GET /files/big.bin HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let received = std::io::copy(&mut stream, &mut std::io::sink()).expect("a download");
    assert!(received > bytes);
    let grown = resident_kb(pod.pid()) - before;
    assert!(grown < 16 * 1024, "{grown} kB more at the highest");
}

#[test]
fn bodies_are_limited_and_a_slow_one_occupies_no_worker() {
    let stage = stage::new();
    let one = || stage.web().set("GUNICORN_WORKERS", 1).set("GUNICORN_THREADS", 1);
    let pod = ready(one().set("CLIENT_MAX_BODY_SIZE", "1m"));
    let post = |headers: &str, body: &str| {
        let head = format!(
            "POST {COUNT} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Type: application/octet-stream\r\n"
        );
        http::request(stage.port, &format!("{head}{headers}\r\n{body}")).expect("an answer")
    };
    let refused = post("Content-Length: 1048577\r\nExpect: 100-continue\r\n", "");
    assert_eq!((refused.status, refused.header("connection")), (413, "close"));
    assert!(
        refused.body.contains(refused.header("x-request-id"))
            && refused.header("content-type") == "application/json"
    );
    // A client that sends the whole body without asking reads why it was refused; a reset would lose the response.
    let too_large = post("Content-Length: 8388608\r\n", &"a".repeat(8 << 20));
    assert_eq!(too_large.status, 413);
    let chunk = format!("{:x}\r\n{}\r\n", 600_000, "a".repeat(600_000));
    assert_eq!(post("Transfer-Encoding: chunked\r\n", &format!("{chunk}{chunk}0\r\n\r\n")).status, 413);
    assert!(post("Transfer-Encoding: chunked\r\n", &format!("{chunk}0\r\n\r\n")).body.contains("600000"));
    // gunicorn has one thread: a client that occupied it without sending would lock out all others.
    let mut slow = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).expect("a connection");
    write!(slow, "POST {COUNT} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n\r\nab").expect("half a request");
    for _ in 0..3 {
        assert_eq!(stage.get("/api/method/ping"), 200);
    }
    slow.write_all(b"cd").expect("the rest");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("{\"message\":4}"), "{answer}");
    drop(pod);
}

#[test]
fn each_protocol_is_supported() {
    let stage = stage::new();
    let _pod = stage.serving();
    let curl = |options: &[&str]| {
        let url = format!("http://127.0.0.1:{}/api/method/frappe.sample.headers", stage.port);
        let output = Command::new("curl")
            .args(["-sS", "-w", " HTTP/%{http_version}", "-H", &format!("Host: {SITE}"), &url])
            .args(options)
            .output()
            .expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    assert!(curl(&["--http1.0"]).ends_with(" HTTP/1"));
    assert!(curl(&["--http1.1"]).ends_with(" HTTP/1.1"));
    let http2 = curl(&["--http2-prior-knowledge", "-H", "Cookie: a=1", "-H", "Cookie: b=2"]);
    assert!(http2.ends_with(" HTTP/2") && http2.contains("\"Cookie\":\"a=1; b=2\""), "{http2}");
    for line in ["CONNECT example.com:80 HTTP/1.1", "TRACE / HTTP/1.1"] {
        let answer =
            http::request(stage.port, &format!("{line}\r\nHost: {SITE}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.map(|answer| answer.status), Some(405), "{line}");
    }
    let long = format!("X-Long: {}", "a".repeat(70_000));
    let answer = http::get_with(stage.port, SITE, "/api/method/ping", &[&long]).expect("an answer");
    assert_eq!(answer.status, 431);
}

#[test]
fn requests_are_logged_and_counted() {
    let stage = stage::new().set("CAULDRON_TRUSTED_PROXIES", "127.0.0.1");
    let pod: Pod = stage.serving();
    let ping = http::get(stage.port, SITE, "/api/method/ping?sid=secret-of-a-session").expect("an answer");
    assert!(ping.header("server-timing").starts_with("app;dur="), "{}", ping.head);
    let id = ping.header("x-request-id");
    pod.says(&format!("\"request_id\":\"{id}\""));
    assert_eq!(stage.get("/assets/assets.json?of-an-asset"), 200);
    assert_eq!(stage.get("/nosuch"), 404);
    pod.says("\"path\":\"/nosuch\"");
    let logged = [
        "User-Agent: browser\u{e9}/1.0",
        "Referer: http://web.local/update-password?key=secret-of-a-session",
        "X-Forwarded-For: 9.9.9.9",
        "X-Request-Id: the-proxys-own",
    ];
    let answer =
        http::get_with(stage.port, SITE, "/api/method/frappe.sample.headers", &logged).expect("headers");
    assert_eq!(answer.header("x-request-id"), "the-proxys-own");
    for name in ["X-Request-Id", "X-Frappe-Request-Id"] {
        assert!(answer.body.contains(&format!("\"{name}\":\"the-proxys-own\"")), "{}", answer.body);
    }
    // The line is written once the answer has been sent.
    pod.says("\"request_id\":\"the-proxys-own\"");
    let lines = pod.log();
    let line = lines.lines().find(|line| line.contains("the-proxys-own")).expect("a line");
    for field in [
        "\"method\":\"GET\"",
        "\"path\":\"/api/method/frappe.sample.headers\"",
        "\"protocol\":\"HTTP/1.1\"",
        "\"status\":200",
        &format!("\"bytes\":{}", answer.bytes.len()),
        "\"elapsed_ms\":",
        "\"host\":\"web.local\"",
        "\"site\":\"web.local\"",
        "\"upstream_ms\":",
        "\"client\":\"9.9.9.9\"",
        "\"user_agent\":\"browser\\\\xc3\\\\xa9/1.0\"",
        "\"referer\":\"http://web.local/update-password\"",
    ] {
        assert!(line.contains(field), "{field}: {line}");
    }
    assert!(!pod.log().contains("secret-of-a-session") && !pod.log().contains("/assets/assets.json"));
    // The client has the last answer before we have counted it.
    let idle = "cauldron_frappe_http_requests_in_flight 0\n";
    let metrics = eventually(LONG, "no request is in flight", || {
        Some(pod.body("/metrics")).filter(|metrics| metrics.contains(idle))
    });
    for line in [
        "cauldron_frappe_http_requests_total{route=\"assets\",status=\"2xx\"} 1\n",
        "cauldron_frappe_http_requests_total{route=\"pages\",status=\"4xx\"} 1\n",
        "cauldron_frappe_http_request_duration_seconds_count{route=\"api\"} 2\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[test]
fn gunicorn_cannot_be_reached_from_outside() {
    let stage = stage::new();
    let pod = stage.serving();
    let listening = |inodes: &str| {
        fs::read_to_string("/proc/net/tcp")
            .expect("tcp")
            .lines()
            .any(|line| line.contains(" 0A ") && line.contains(inodes))
    };
    let gunicorn: serde_json::Value = serde_json::from_str(&pod.body("/status")).expect("JSON");
    let pid = &gunicorn["children"][0]["pid"];
    let mut sockets = 0;
    for fd in fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").flatten() {
        let name = fs::read_link(fd.path()).unwrap_or_default();
        if let Some(inode) = name.to_str().and_then(|name| name.strip_prefix("socket:[")) {
            sockets += 1;
            assert!(!listening(&format!(" {} ", inode.trim_end_matches(']'))), "gunicorn listens on TCP");
        }
    }
    assert!(sockets > 0);
    let folder = fs::read_dir(pod.folder().join("run"))
        .expect("the runtime folder")
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("web-"))
        .expect("the folder of the web port");
    let mode = std::os::unix::fs::PermissionsExt::mode(&folder.metadata().expect("a mode").permissions());
    assert_eq!(mode & 0o777, 0o700);
}
