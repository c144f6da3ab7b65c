//! Limits of requests in progress, and of a body by the size of the runtime folder (docs/web-port.md#budgets).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::stage::{self, SITE};
use crate::support::binary::{Binary, LONG, Pod, event};
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::support::{h2, http};

/// Requests on their way to gunicorn, and those that wait.
const AT_ONCE: u64 = 1024;
const WAITING: u64 = 4096;
const MORE: u64 = 20;

pub fn metric(pod: &Pod, line: &str) -> u64 {
    let metrics = pod.body("/metrics");
    let found = metrics.lines().find_map(|found| found.strip_prefix("cauldron_frappe_")?.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

fn sends(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    stream
}

#[test]
fn requests_past_the_limit_of_gunicorn_are_refused_and_others_wait() {
    const TEST: &str = "requests_past_the_limit_of_gunicorn_are_refused_and_others_wait";
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard).expect("files");
    let stage = stage::new().set("GUNICORN_WORKERS", 1).set("GUNICORN_THREADS", 1);
    let pod = ready(stage.web().set("GUNICORN_TIMEOUT", 600).set("PROXY_READ_TIMEOUT", 600));
    if metric(&pod, "http_connections_limit") < AT_ONCE + WAITING + 2 * MORE {
        skipped(TEST, "the limit of open files does not allow so many connections");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (started, release) = (folder.path().join("started"), folder.path().join("release"));
    let held =
        format!("/api/method/frappe.sample.held?started={}&release={}", started.display(), release.display());
    let mut held = sends(stage.port, &held);
    eventually(LONG, "gunicorn works on a request", || started.exists().then_some(()));
    // Our own probes of the site are requests, too.
    let mut clients: Vec<TcpStream> =
        (0..AT_ONCE + WAITING + MORE).map(|_| sends(stage.port, "/api/method/ping")).collect();
    eventually(LONG, "further requests are refused", || {
        let refused = metric(&pod, "http_requests_refused_total{reason=\"gunicorn_full\"}");
        (refused > MORE && metric(&pod, "http_slots_waiting{kind=\"gunicorn\"}") == WAITING).then_some(())
    });
    assert_eq!(metric(&pod, "http_slots_used{kind=\"gunicorn\"}"), AT_ONCE);
    let refused = http::get(stage.port, SITE, "/api/method/ping").expect("an answer");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{}", refused.head);
    assert_eq!(stage.get("/assets/assets.json"), 200);
    assert_eq!(pod.probe("/livez"), 200);
    let log = pod.log();
    let lines = log.lines().filter(|line| line.contains(&event("request.refused"))).count();
    assert_eq!(lines, 1, "one line a minute: {log}");
    std::fs::write(&release, "").expect("the release");
    let mut answer = String::new();
    held.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The first ones are served, in their order.
    let first = &mut clients[0];
    answer.clear();
    first.set_read_timeout(Some(LONG)).expect("a timeout");
    first.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(clients);
    eventually(LONG, "nothing is left", || {
        (metric(&pod, "http_slots_waiting{kind=\"gunicorn\"}") == 0).then_some(())
    });
}

#[test]
fn streams_beyond_those_of_a_connection_are_refused_and_counted() {
    let stage = stage::new();
    let pod = stage.serving();
    let _greedy = h2::with_requests(stage.port, SITE, "/api/method/frappe.sample.slow?seconds=2", 120, 0);
    eventually(LONG, "streams are refused", || {
        (metric(&pod, "http_requests_refused_total{reason=\"connection_streams\"}") >= 20).then_some(())
    });
    pod.event("request.refused");
    assert_eq!(stage.get("/assets/assets.json"), 200);
}

#[test]
fn a_body_limit_that_does_not_fit_into_the_runtime_folder_is_refused() {
    let stage = stage::new();
    let with = |binary: Binary, size: &str, body: &str| {
        binary.set("CAULDRON_RUNTIME_SIZE", size).set("CLIENT_MAX_BODY_SIZE", body)
    };
    with(stage.web(), "64Mi", "50m").run().exits(78).says("set CAULDRON_RUNTIME_SIZE to 118Mi");
    with(stage.web().argument("--print-config"), "64Mi", "28m").run().exits(78).says("CLIENT_MAX_BODY_SIZE");
    with(stage.web().argument("--print-config"), "64Mi", "27m").run().exits(0);
    with(stage.web().argument("--print-config"), "64Mi", "0").run().exits(0);
    with(stage.command("doctor"), "64Mi", "50m").run().exits(78).prints("118Mi");
    let pod = ready(with(stage.web(), "64Mi", "27m"));
    let post = |bytes: usize, expect: &str| {
        let head = format!(
            "POST /api/method/frappe.sample.count HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{expect}Content-Length: {bytes}\r\n\r\n"
        );
        let body = if expect.is_empty() { "a".repeat(bytes) } else { String::new() };
        http::request(stage.port, &(head + &body)).expect("an answer").status
    };
    assert_eq!(post(27 << 20, ""), 200);
    assert_eq!(post((27 << 20) + 1, "Expect: 100-continue\r\n"), 413);
    assert_eq!(metric(&pod, "http_requests_refused_total{reason=\"body_too_large\"}"), 1);
}
