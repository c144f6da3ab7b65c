//! Security headers: on every page, none twice, and Frappe's own values are kept.

use std::fs;

use crate::stage::{self, SITE};
use crate::support::bench::ADMIN_PASSWORD;
use crate::support::http::{self, Response};
use crate::support::stage::{Stage, ready};

const HSTS: &str = "strict-transport-security";

fn get(stage: &Stage, path: &str, headers: &[&str]) -> Response {
    http::get_with(stage.port, SITE, path, headers).expect("an answer")
}

/// The number of times that a header occurs.
fn count(answer: &Response, name: &str) -> usize {
    answer.head.lines().filter(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:"))).count()
}

#[track_caller]
fn protected(answer: &Response) {
    for (name, value) in [
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin, strict-origin-when-cross-origin"),
    ] {
        assert_eq!((answer.header(name), count(answer, name)), (value, 1), "{name}: {}", answer.head);
    }
}

#[test]
fn pages_can_be_framed_only_by_their_own_origin() {
    let stage = stage::new();
    let _pod = stage.serving();
    for (path, status) in [
        ("/login", 200),
        ("/api/method/ping", 200),
        ("/nosuch", 404),
        ("/files/nosuch.txt", 404),
        ("/assets/nosuch.js", 404),
        ("/private/files/a.txt", 403),
    ] {
        let answer = get(&stage, path, &[]);
        assert_eq!(answer.status, status, "{path}");
        protected(&answer);
        assert_eq!(count(&answer, HSTS), 0, "no https here");
    }
    let bad = http::request(stage.port, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n").expect("an answer");
    assert_eq!(bad.status, 400);
    protected(&bad);
}

#[test]
fn headers_of_frappe_are_kept() {
    let stage = stage::new();
    let _pod = stage.serving();
    let own = get(
        &stage,
        "/api/method/frappe.sample.with_headers?X_Frame_Options=DENY&Referrer_Policy=no-referrer&X_Content_Type_Options=nosniff",
        &[],
    );
    assert_eq!((own.header("x-frame-options"), own.header("referrer-policy")), ("DENY", "no-referrer"));
    for name in ["x-frame-options", "referrer-policy", "x-content-type-options"] {
        assert_eq!(count(&own, name), 1, "{}", own.head);
    }
    let embedded =
        "/api/method/frappe.sample.with_headers?Content_Security_Policy=frame-ancestors+https://a.example";
    assert_eq!(count(&get(&stage, embedded, &[]), "x-frame-options"), 0, "a web form that may be embedded");
}

#[test]
fn an_operator_changes_headers_and_frames() {
    let stage = stage::new();
    let own = "Permissions-Policy: camera=()\nReferrer-Policy: no-referrer | X-Content-Type-Options:";
    let frames = "/api/method/frappe.sample.*='self' https://partner.example; /login='none'";
    let web = stage.web().set("CAULDRON_SECURITY_HEADERS", own).set("CAULDRON_FRAME_ANCESTORS", frames);
    let pod = ready(web);
    let login = get(&stage, "/login", &[]);
    for (name, value) in [
        ("permissions-policy", "camera=()"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "frame-ancestors 'none'"),
    ] {
        assert_eq!((login.header(name), count(&login, name)), (value, 1), "{}", login.head);
    }
    assert_eq!((count(&login, "x-frame-options"), count(&login, "x-content-type-options")), (0, 0));
    let other = get(&stage, "/nosuch", &[]);
    assert_eq!(
        (other.header("x-frame-options"), count(&other, "content-security-policy")),
        ("SAMEORIGIN", 0)
    );
    let sample =
        |headers: &str| get(&stage, &format!("/api/method/frappe.sample.with_headers?{headers}"), &[]);
    let partner = "frame-ancestors 'self' https://partner.example";
    for (headers, policy) in [
        ("", partner.to_string()),
        ("X_Frame_Options=SAMEORIGIN&Referrer_Policy=origin", partner.into()),
        ("Content_Security_Policy=img-src+*", format!("img-src *; {partner}")),
        (
            "Content_Security_Policy=frame-ancestors+https://shop.example",
            "frame-ancestors https://shop.example".into(),
        ),
    ] {
        let answer = sample(headers);
        assert_eq!(answer.header("content-security-policy"), policy, "{headers}");
        let counts = ["content-security-policy", "x-frame-options", "referrer-policy", "permissions-policy"];
        assert_eq!(counts.map(|name| count(&answer, name)), [1, 0, 1, 1], "{}", answer.head);
    }
    drop(pod);
    let pod = ready(stage.web().set("CAULDRON_SECURITY_HEADERS", "off"));
    let bare = get(&stage, "/login", &[]);
    assert_eq!(["x-frame-options", "referrer-policy"].map(|name| count(&bare, name)), [0; 2]);
    drop(pod);
    for (name, bad) in [
        ("CAULDRON_SECURITY_HEADERS", "none"),
        ("CAULDRON_FRAME_ANCESTORS", "/book/*=self https://a.example"),
    ] {
        stage.web().set(name, bad).run().exits(78).says(name);
    }
}

#[test]
fn files_keep_their_own_headers() {
    let stage = stage::new();
    let _pod = stage.serving();
    for part in ["public", "private"] {
        let folder = stage.bench.sites().join(SITE).join(part).join("files");
        fs::create_dir_all(&folder).expect("a folder of files");
        fs::write(folder.join("a.html"), "<script>").expect("a file");
    }
    let public = get(&stage, "/files/a.html", &[]);
    assert_eq!((public.status, public.header("content-disposition")), (200, "attachment"));
    assert_eq!(
        (public.header("cache-control"), count(&public, "x-frame-options")),
        ("public, max-age=300", 0)
    );
    assert_eq!(count(&public, "x-content-type-options"), 1);
    let form = [("usr", "Administrator"), ("pwd", ADMIN_PASSWORD)];
    let login = http::post(stage.port, SITE, "/api/method/login", &form).expect("an answer");
    let cookie = format!("Cookie: {}", login.header("set-cookie").split(';').next().unwrap_or_default());
    let private = get(&stage, "/private/files/a.html", &[&cookie]);
    assert_eq!((private.status, private.header("cache-control")), (200, "private, no-cache"));
    protected(&private);
}

#[test]
fn hsts_is_sent_only_over_https_for_public_names() {
    let stage = stage::new();
    let pod = stage.serving();
    let hsts = |host: &str, proto: &str| {
        let proto = format!("X-Forwarded-Proto: {proto}");
        let answer = http::get_with(stage.port, host, "/login", &[&proto]).expect("an answer");
        assert_eq!(answer.status, 200);
        answer.header(HSTS).to_owned()
    };
    assert_eq!(hsts(SITE, "https"), "", "an untrusted client's header is ignored");
    drop(pod);
    let _pod = ready(stage.web().set("CAULDRON_TRUSTED_PROXIES", "127.0.0.1"));
    for https in ["https", "HTTPS", "https,http", "wss"] {
        assert_eq!(hsts(SITE, https), "max-age=2592000", "{https}");
    }
    for http in ["http", "ws"] {
        assert_eq!(hsts(SITE, http), "", "{http}");
    }
    for host in ["localhost:8000", "demo.localhost", "127.0.0.1:8000", "[::1]:8000"] {
        assert_eq!(hsts(host, "https"), "", "{host}");
    }
}
