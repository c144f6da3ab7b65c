//! The second port: http is redirected to https on the same host and path, and ACME's challenges are answered.

use std::fs;
use std::net::Ipv4Addr;

use crate::stage::{self, SITE};
use crate::support::binary::Binary;
use crate::support::http::{self, Response};
use crate::support::port;
use crate::support::stage::{Stage, ready};

const FORGED: &str = "X-Forwarded-Host: evil.example";

fn web(stage: &Stage, second: u16) -> Binary {
    stage.web().set("CAULDRON_REDIRECT_ADDR", format!("{}:{second}", Ipv4Addr::LOCALHOST))
}

fn get(second: u16, host: &str, path: &str) -> Response {
    http::get_with(second, host, path, &[FORGED]).expect("an answer")
}

#[test]
fn http_leads_to_https_on_the_same_host_and_path() {
    let stage = stage::new();
    let second = port::free();
    let url = "https://erp.example.com:8443";
    let pod =
        ready(web(&stage, second).set("CAULDRON_SITE_URL", url).set("CAULDRON_SECURITY_HEADERS", "X-A: b"));
    for (host, path, location) in [
        ("erp.example.com", "/", format!("{url}/")),
        ("ERP.example.com:80", "/app/a%20b?c=[\"d\"]&e", format!("{url}/app/a%20b?c=[\"d\"]&e")),
        (SITE, "//evil.example/", format!("https://{SITE}:8443//evil.example/")),
        ("localhost:8080", "/assets/a.js", "https://localhost:8443/assets/a.js".into()),
        ("[::1]:8080", "/api/method/ping", "https://[::1]:8443/api/method/ping".into()),
        ("evil.example", "/login", format!("{url}/login")),
        ("erp.example.com:evil.example", "/", format!("{url}/")),
        (&format!("[{SITE}].evil.example"), "/", format!("{url}/")),
        ("10.0.0.1", "/.well-known/other", format!("{url}/.well-known/other")),
        (SITE, "http://evil.example/x?y", format!("{url}/x?y")),
    ] {
        let answer = get(second, host, path);
        assert_eq!((answer.status, answer.header("location")), (308, &*location), "{host} {path}");
        assert!(!answer.head.to_ascii_lowercase().contains("strict-transport"), "{}", answer.head);
        assert!(answer.header("set-cookie").is_empty() && answer.body.is_empty());
    }
    let posted = http::post(second, SITE, "/api/method/login", &[("a", "b")]).expect("an answer");
    assert_eq!(
        (posted.status, posted.header("location")),
        (308, &*format!("https://{SITE}:8443/api/method/login"))
    );
    assert_eq!(get(second, "a/b", "/").status, 400);
    let asterisk = format!("OPTIONS * HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n");
    let answer = http::request(second, &asterisk).expect("an answer");
    assert_eq!((answer.status, answer.header("location")), (400, ""));
    assert_eq!(stage.get("/login"), 200, "the first port serves the site");
    let metrics = pod.body("/metrics");
    assert!(metrics.contains("\ncauldron_frappe_http_redirects_total 13\n"), "{metrics}");
}

/// A load balancer may send a header on one listener and none on the other.
#[test]
fn the_second_port_reads_proxy_headers_and_does_not_require_them() {
    let stage = stage::new();
    let second = port::free();
    let pod = ready(web(&stage, second).set("CAULDRON_PROXY_PROTOCOL", "127.0.0.0/8"));
    let request = format!("GET /app HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n");
    for header in ["PROXY TCP4 203.0.113.9 10.0.0.1 12345 80\r\n", "PROXY UNKNOWN\r\n", ""] {
        let answer = http::request(second, &format!("{header}{request}")).expect("an answer");
        assert_eq!((answer.status, answer.header("location")), (308, &*format!("https://{SITE}/app")));
    }
    assert!(http::request(second, &format!("PROXY TCP4 a b c d\r\n{request}")).is_none());
    pod.event("request.invalid");
}

#[test]
fn challenges_of_acme_are_answered_over_http() {
    let stage = stage::new();
    let second = port::free();
    let _pod = ready(web(&stage, second).set("CAULDRON_HOSTS", "erp.example.com"));
    let folder = stage.file("public/.well-known/acme-challenge");
    fs::create_dir_all(&folder).expect("certbot's folder");
    fs::write(folder.join("token_-1"), "token.thumbprint").expect("a challenge");
    std::os::unix::fs::symlink(stage.file("site_config.json"), folder.join("link")).expect("a link");
    let challenge =
        |host: &str, token: &str| get(second, host, &format!("/.well-known/acme-challenge/{token}"));
    let answer = challenge("erp.example.com", "token_-1");
    assert_eq!(
        (answer.status, &*answer.body, answer.header("cache-control")),
        (200, "token.thumbprint", "no-store")
    );
    for absent in ["nosuch", "", "link", "../../files/a", "..%2f..%2fa", "token_-1/", "token%5f-1"] {
        assert_eq!(challenge("erp.example.com", absent).status, 404, "{absent}");
    }
    // As on the web port: a host that is not listed has no site.
    assert_eq!(challenge("evil.example", "token_-1").status, 404);
    let refused = get(second, "evil.example", "/");
    assert_eq!((refused.status, refused.header("location")), (404, ""));
    assert_eq!(get(second, "erp.example.com", "/a").header("location"), "https://erp.example.com/a");
}

#[test]
fn each_connection_has_one_request() {
    let stage = stage::new();
    let second = port::free();
    let pod = ready(web(&stage, second));
    let two = format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n").repeat(2);
    let answer = String::from_utf8(http::exchange(second, two.as_bytes()).expect("an answer")).expect("text");
    assert_eq!(answer.matches("HTTP/1.1 308").count(), 1, "{answer}");
    // What is no request is counted as on the web port.
    http::exchange(second, b"no request\r\n\r\n").expect("a connection");
    pod.event("request.invalid");
}
