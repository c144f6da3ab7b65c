//! The limit of failed logins.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use crate::stage::{self, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::binary::{Pod, event};
use crate::support::http::{self, Response};

use crate::support::stage::{Stage, ready};

const LOGIN: &str = "/api/method/login";
const FORM: &str = "application/x-www-form-urlencoded";

/// A stage whose web port trusts the tests' own address as a proxy, so that each request can have a client.
fn limited(limit: &str) -> (Stage, Pod) {
    let stage = stage::new();
    let pod =
        ready(stage.web().set("CAULDRON_LOGIN_LIMIT", limit).set("CAULDRON_TRUSTED_PROXIES", "127.0.0.1"));
    (stage, pod)
}

/// Sends a body from this client.
fn send(stage: &Stage, client: &str, path: &str, content_type: &str, body: &str) -> Response {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nX-Forwarded-For: {client}\r\nContent-Type: {content_type}\r\n"
    );
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    http::request(stage.port, &request).expect("an answer")
}

fn login(stage: &Stage, client: &str, user: &str, password: &str) -> Response {
    let body = format!("usr={user}&pwd={password}");
    send(stage, client, LOGIN, FORM, &body)
}

#[test]
fn failed_logins_are_limited_by_user_and_by_address() {
    let (stage, pod) = limited("3/1h");
    for client in ["10.0.0.1", "10.0.0.2", "2001:db8::1"] {
        assert_eq!(login(&stage, client, "Administrator", "wrong").status, 401);
    }
    let refused = login(&stage, "10.0.0.3", "administrator", ADMIN_PASSWORD);
    assert_eq!((refused.status, refused.header("content-type")), (429, "application/json"));
    let retry_after_s: u32 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=3_600).contains(&retry_after_s), "{retry_after_s}");
    assert!(refused.body.contains(refused.header("x-request-id")), "{}", refused.body);
    assert!(refused.body.contains(r#""_server_messages":"[\"Too many logins"#), "{}", refused.body);
    // One network of IPv6 is one client.
    for (number, user) in ["a", "b", "c"].into_iter().enumerate() {
        let status = login(&stage, &format!("2001:db8::{number}:2"), user, "wrong").status;
        assert_eq!(status, if number < 2 { 401 } else { 429 }, "{user}");
    }
    assert_eq!(login(&stage, "2001:db8:0:1::1", "c", "wrong").status, 401);
    // Other requests of these clients are answered.
    let ping = http::get_with(stage.port, SITE, "/api/method/ping", &["X-Forwarded-For: 2001:db8::1"]);
    assert_eq!(ping.map(|answer| answer.status), Some(200));
    let metrics = pod.body("/metrics");
    for line in [
        "cauldron_frappe_http_logins_refused_total{by=\"user\"} 1\n",
        "cauldron_frappe_http_logins_refused_total{by=\"address\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    pod.event("login.refused");
    let log = pod.log();
    assert_eq!(log.matches(&event("login.refused")).count(), 1);
    let line = log.lines().find(|line| line.contains("login.refused")).expect("a line");
    assert!(line.contains("\"client\":\"10.0.0.3\"") && line.contains("\"by\":\"user\""), "{line}");
    assert!(!line.to_lowercase().contains("administrator"), "{line}");
}

#[test]
fn a_login_counts_however_it_is_written() {
    let (stage, _pod) = limited("1/1h");
    let padding = "x".repeat(300_000);
    let parts =
        |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n");
    let ways = [
        (LOGIN.to_string(), FORM, "usr=u0&pwd=x".to_string()),
        ("/".into(), FORM, "cmd=login&usr=u1&pwd=x".into()),
        ("/?%63md=logi%6E&usr=u2".into(), FORM, "pwd=x".into()),
        ("//api/method/login".into(), FORM, "usr=u3&pwd=x".into()),
        ("/".into(), "application/json", r#"{"\u0063md":"login","usr":"u4","pwd":"x"}"#.into()),
        ("/app".into(), FORM, format!("a={padding}&cmd=login&usr=u5&pwd=x")),
        (
            "/".into(),
            "multipart/form-data; boundary=b",
            parts("name=a", &padding)
                + &parts("name*=utf-8''%63md", "login")
                + &parts("name=usr", "u6")
                + &parts("name=pwd", "x")
                + "--b--\r\n",
        ),
    ];
    for (number, (path, content_type, body)) in ways.iter().enumerate() {
        // Each way from its own address: it fails, and then the address is at its limit.
        let client = format!("10.0.1.{number}");
        assert_eq!(send(&stage, &client, path, content_type, body).status, 401, "{path} {content_type}");
        assert_eq!(
            login(&stage, &client, &format!("other{number}"), "x").status,
            429,
            "{path} {content_type}"
        );
        // And no way leads past the limit.
        let client = "10.0.1.0";
        assert_eq!(send(&stage, client, path, content_type, body).status, 429, "{path} {content_type}");
    }
}

#[test]
fn a_success_forgives_the_users_own_failures_only() {
    let (stage, _pod) = limited("2/1h");
    let client = "10.0.0.1";
    for _ in 0..3 {
        assert_eq!(login(&stage, client, "Administrator", "wrong").status, 401);
        assert_eq!(login(&stage, client, "Administrator", ADMIN_PASSWORD).status, 200);
    }
    assert_eq!(login(&stage, client, "victim", "x").status, 401);
    // What Frappe does not read as a login of the victim resets nothing.
    let session = login(&stage, client, "Administrator", ADMIN_PASSWORD);
    let cookie = session.header("set-cookie").split(';').next().expect("a cookie").to_string();
    let head = format!(
        "POST /api/method/ping?cmd=login&usr=victim HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nX-Forwarded-For: {client}\r\nCookie: {cookie}\r\n"
    );
    let json = "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    assert_eq!(http::request(stage.port, &(head + json)).map(|answer| answer.status), Some(200));
    assert_eq!(login(&stage, client, "other", "x").status, 401);
    assert_eq!(login(&stage, client, "Administrator", ADMIN_PASSWORD).status, 429);
}

#[test]
fn a_client_that_is_no_trusted_proxy_cannot_choose_its_address() {
    let stage = stage::new();
    let _pod = ready(stage.web().set("CAULDRON_LOGIN_LIMIT", "3/1h"));
    for number in 0..3 {
        let client = format!("10.0.0.{number}");
        assert_eq!(login(&stage, &client, &format!("u{number}"), "wrong").status, 401);
    }
    assert_eq!(login(&stage, "10.0.0.9", "u9", "wrong").status, 429);
}

#[test]
fn a_proxy_that_is_not_listed_is_named_and_has_no_limit() {
    let stage = stage::new();
    let pod = ready(stage.web().set("CAULDRON_LOGIN_LIMIT", "3/1h"));
    let ping = format!("GET /api/method/ping HTTP/1.1\r\nHost: {SITE}\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n");
    let last = ping.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let requests = ping.repeat(119) + &last;
    let answers = http::exchange(stage.port, requests.as_bytes()).expect("answers");
    assert_eq!(String::from_utf8_lossy(&answers).matches("HTTP/1.1 200").count(), 120);
    pod.event("web.proxy_unlisted");
    assert!(pod.log().contains("\"peer\":\"127.0.0.1\""));
    for number in 0..8 {
        assert_eq!(login(&stage, "9.9.9.9", &format!("u{number}"), "wrong").status, 401);
    }
    // A user has a limit everywhere.
    let statuses = [0; 4].map(|_| login(&stage, "9.9.9.9", "victim", "wrong").status);
    assert_eq!(statuses, [401, 401, 401, 429]);
}

#[test]
fn parallel_logins_pass_the_limit_no_further() {
    let (stage, _pod) = limited("4/1h");
    let body = "usr=victim&pwd=x";
    let request = format!(
        "POST {LOGIN} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nX-Forwarded-For: 10.0.0.1\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let connections: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).expect("a connection");
            stream.write_all(request.as_bytes()).expect("a request");
            stream
        })
        .collect();
    let answers: Vec<String> =
        connections.into_iter().map(|stream| std::io::read_to_string(stream).expect("an answer")).collect();
    let of = |status: &str| {
        answers.iter().filter(|answer| answer.starts_with(&format!("HTTP/1.1 {status} "))).count()
    };
    assert_eq!((of("401"), of("429")), (4, 36));
}
