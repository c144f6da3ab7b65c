//! Clients do not notice when gunicorn reloads, crashes or starts slowly.

use std::fs;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod};
use crate::support::http;
use crate::support::load::Load;
use crate::support::wait::eventually;

fn gunicorn(pod: &Pod) -> Pid {
    let status: serde_json::Value = serde_json::from_str(&pod.body("/status")).expect("JSON");
    Pid::from_raw(status["children"][0]["pid"].as_i64().expect("a pid") as i32)
}

#[test]
fn no_request_is_lost_over_reloads() {
    let stage = stage::new();
    let pod = stage.serving();
    let worker = || http::get(stage.port, SITE, "/api/method/frappe.sample.pid").map(|answer| answer.body);
    let load = Load::start(stage.port, SITE, 4);
    for _ in 0..20 {
        load.more(20);
        let before = worker().expect("a worker");
        let old: String = before.chars().filter(char::is_ascii_digit).collect();
        pod.signal(Signal::SIGHUP);
        eventually(LONG, "the old worker has ended", || {
            (!std::path::Path::new(&format!("/proc/{old}")).exists()).then_some(())
        });
    }
    load.more(20);
    assert_eq!(load.lost(), Vec::<String>::new());
}

#[test]
fn requests_wait_for_a_gunicorn_that_crashed() {
    let stage = stage::new();
    let pod = stage.serving();
    let first = gunicorn(&pod);
    // Its socket still listens but is not served: requests that are sent to it now are sent again.
    kill(first, Signal::SIGKILL).expect("gunicorn");
    for _ in 0..5 {
        assert_eq!(stage.get("/api/method/ping"), 200);
    }
    let posted = http::post(stage.port, SITE, "/api/method/ping", &[("a", "b")]).expect("an answer");
    assert_eq!(posted.status, 200);
    assert_ne!(gunicorn(&pod), first);
}

#[test]
fn a_request_that_may_have_been_processed_is_not_sent_again() {
    let stage = stage::new();
    let pod = stage.serving();
    let folder = tempfile::tempdir().expect("a folder");
    let (started, release) = (folder.path().join("started"), folder.path().join("release"));
    let ask = |method: &'static str| {
        let path = format!(
            "/api/method/frappe.sample.held?started={}&release={}",
            started.display(),
            release.display()
        );
        let port = stage.port;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        thread::spawn(move || http::request(port, &head).expect("an answer"))
    };
    let kill_its_worker = |times: usize| {
        let marks = eventually(LONG, "the request is being processed", || {
            let marks = fs::read_to_string(&started).unwrap_or_default();
            (marks.lines().count() == times).then_some(marks)
        });
        let worker = marks.lines().last().and_then(|pid| pid.parse().ok()).expect("a pid");
        kill(Pid::from_raw(worker), Signal::SIGKILL).expect("a worker");
    };
    let posted = ask("POST");
    kill_its_worker(1);
    let answer = posted.join().expect("an answer");
    assert_eq!(answer.status, 502);
    assert!(
        answer.header("content-type") == "application/json"
            && answer.body.contains(answer.header("x-request-id"))
    );
    // A second GET is harmless.
    fs::remove_file(&started).expect("the marks");
    let got = ask("GET");
    kill_its_worker(1);
    fs::write(&release, "").expect("the release");
    assert_eq!(got.join().expect("an answer").status, 200);
    assert_eq!(fs::read_to_string(&started).expect("the marks").lines().count(), 2);
    drop(pod);
}

#[test]
fn a_request_that_kills_its_worker_is_sent_only_twice() {
    let stage = stage::new();
    let pod = stage.serving();
    let folder = tempfile::tempdir().expect("a folder");
    for (method, more) in [
        ("GET", String::new()),
        ("HEAD", String::new()),
        ("GET", format!("Cookie: {}\r\n", "a".repeat(4000)).repeat(3)),
    ] {
        let started = folder.path().join(format!("{method}-{}", more.len()));
        let path = format!(
            "/api/method/frappe.sample.held?started={}&release={}",
            started.display(),
            folder.path().join("never").display()
        );
        let port = stage.port;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{more}\r\n");
        let request = thread::spawn(move || http::request(port, &head).expect("an answer"));
        for times in 1..=2 {
            let marks = eventually(LONG, "the request is being processed", || {
                let marks = fs::read_to_string(&started).unwrap_or_default();
                (marks.lines().count() == times).then_some(marks)
            });
            let worker = marks.lines().last().and_then(|pid| pid.parse().ok()).expect("a pid");
            kill(Pid::from_raw(worker), Signal::SIGKILL).expect("a worker");
        }
        assert_eq!(request.join().expect("an answer").status, 502, "{method}");
        assert_eq!(fs::read_to_string(&started).expect("the marks").lines().count(), 2, "{method}");
    }
    assert_eq!(stage.get("/api/method/ping"), 200);
    drop(pod);
}
