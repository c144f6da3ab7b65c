//! Slow readers and slow senders share the runtime folder with all uploads, and do not fill it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod};
use crate::support::http;
use crate::support::skip::skipped;
use crate::support::stage::{Stage, ready};
use crate::support::wait::eventually;

/// Returns the number of bytes that it gets.
pub const COUNT: &str = "/api/method/frappe.sample.count";
/// Longer than the timeout of a sender, on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(150);

/// Starts a pod with a runtime folder of this size in memory, as in a container. None if that is not possible here.
pub fn with_small_runtime(stage: &Stage, name: &str, mib: u32) -> Option<Pod> {
    let allowed = std::process::Command::new("unshare").args(["-m", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        skipped(name, "no mount namespace can be made here");
        return None;
    }
    let script =
        format!("mount -t tmpfs -o size={mib}m none \"$CAULDRON_RUNTIME_DIR\" && exec \"$0\" \"$@\"");
    let web = stage.web().set("GUNICORN_WORKERS", 1).set("GUNICORN_THREADS", 16);
    Some(ready(web.under(&["unshare", "-m", "sh", "-c", &script])))
}

pub fn upload(port: u16, bytes: usize) -> http::Response {
    let head = format!(
        "POST {COUNT} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n\r\n"
    );
    http::request(port, &(head + &"a".repeat(bytes))).expect("an answer")
}

pub fn metric(pod: &Pod, line: &str) -> u64 {
    let metrics = pod.body("/metrics");
    let found = metrics.lines().find_map(|found| found.strip_prefix("cauldron_frappe_")?.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

pub fn on_disk(pod: &Pod, kind: &str) -> u64 {
    let line = format!("http_kept_bytes{{kind=\"{kind}\",place=\"disk\"}}");
    assert!(pod.body("/metrics").contains(&line), "{line}");
    metric(pod, &line)
}

#[test]
fn slow_readers_leave_the_runtime_folder_to_uploads() {
    let stage = stage::new();
    let Some(pod) = with_small_runtime(&stage, "slow_readers", 64) else { return };
    let length = 24 << 20;
    let path = format!("/api/method/frappe.sample.text?length={length}");
    let readers: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, stage.port)).expect("a connection");
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n")
                .expect("a request");
            stream
        })
        .collect();
    eventually(LONG, "responses use all of their share", || {
        (metric(&pod, "http_kept_refused_total{kind=\"answer\"}") > 0).then_some(())
    });
    for _ in 0..5 {
        assert_eq!(upload(stage.port, 4 << 20).status, 200);
        assert!(on_disk(&pod, "answer") <= 16 << 20, "{} bytes", on_disk(&pod, "answer"));
    }
    pod.event("web.buffer_full");
    // The responses arrive at their readers' pace, and complete.
    let reading: Vec<JoinHandle<usize>> = readers
        .into_iter()
        .map(|mut stream| {
            thread::spawn(move || {
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).expect("an answer");
                let text = answer.windows(7).position(|part| part == b"frappe ").expect("text");
                assert!(answer[text..].chunks_exact(7).take(length / 7).all(|word| word == b"frappe "));
                answer.len() - text
            })
        })
        .collect();
    for reader in reading {
        assert!(reader.join().expect("a reader") >= length / 7 * 7);
    }
    eventually(LONG, "nothing is kept for complete responses", || {
        (on_disk(&pod, "answer") == 0).then_some(())
    });
}

/// Announces a body, sends most of it, and then single bytes slowly; returns the status of the response.
fn send_slowly(port: u16, bytes: usize, is_over: Arc<AtomicBool>) -> JoinHandle<u16> {
    thread::spawn(move || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        let announced = bytes + (1 << 20);
        let head = format!(
            "POST {COUNT} HTTP/1.1\r\nHost: {SITE}\r\nContent-Type: application/octet-stream\r\nContent-Length: {announced}\r\n\r\n"
        );
        let mut answer = Vec::new();
        stream.write_all(head.as_bytes()).expect("a head");
        let _ = stream.write_all(&vec![b'a'; bytes]);
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a deadline");
        while !is_over.load(Ordering::Relaxed) && stream.write_all(b"a").is_ok() {
            let mut part = [0; 4096];
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&part[..count]),
                Err(_) => continue,
            }
            break;
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        if text.starts_with("HTTP/1.1 503") {
            assert!(text.to_ascii_lowercase().contains("\r\nretry-after: "), "{text}");
        }
        text.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    })
}

#[test]
fn slow_senders_leave_the_runtime_folder_to_uploads_and_are_disconnected() {
    let stage = stage::new();
    let Some(pod) = with_small_runtime(&stage, "slow_senders", 64) else { return };
    let is_over = Arc::new(AtomicBool::new(false));
    let senders: Vec<JoinHandle<u16>> =
        (0..7).map(|_| send_slowly(stage.port, 9 << 20, is_over.clone())).collect();
    // A refusal shows that the share is used; on a busy machine the first senders may be gone by then.
    eventually(LONG, "the senders use all of their share", || {
        (metric(&pod, "http_kept_refused_total{kind=\"request\"}") >= 1).then_some(())
    });
    for _ in 0..5 {
        assert_eq!(upload(stage.port, 900_000).status, 200);
    }
    // One byte in two seconds is too slow.
    eventually(MAX_WAIT, "the bodies of the senders are dropped", || {
        (on_disk(&pod, "request") == 0).then_some(())
    });
    // A sender that a busy machine started late may still use a share of its own.
    eventually(MAX_WAIT, "a large upload succeeds again", || {
        (upload(stage.port, 20 << 20).status == 200).then_some(())
    });
    is_over.store(true, Ordering::Relaxed);
    let statuses: Vec<u16> = senders.into_iter().map(|sender| sender.join().expect("a sender")).collect();
    assert!(statuses.contains(&408) && statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| [0, 408, 503].contains(status)), "{statuses:?}");
    assert!(metric(&pod, "http_clients_let_go_total{reason=\"slow_body\"}") > 0);
}
