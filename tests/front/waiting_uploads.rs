//! Uploads that wait for room in the runtime folder, and the slow bodies that give way to them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::spooling::{COUNT, metric, on_disk, upload, with_small_runtime};
use crate::stage::{self, SITE};
use crate::support::binary::LONG;
use crate::support::http;
use crate::support::wait::eventually;

/// Bytes of a body that [`holds`] does not send.
const REST: usize = 1 << 20;

/// Sends most of a body and keeps the connection open.
fn holds(port: u16, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let announced = bytes + REST;
    let head = format!(
        "POST {COUNT} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Length: {announced}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head");
    stream.write_all(&vec![b'a'; bytes]).expect("a part of a body");
    stream
}

/// Goes on with a body at 2 kB/s until the sender is dropped; returns the number of bytes.
fn goes_on(stream: &TcpStream) -> (Sender<()>, JoinHandle<usize>) {
    let (sender, is_over) = channel::<()>();
    let mut stream = stream.try_clone().expect("the same connection");
    let sending = thread::spawn(move || {
        let mut sent = 0;
        while is_over.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
            stream.write_all(&[b'a'; 1000]).expect("the body is received");
            sent += 1000;
        }
        sent
    });
    (sender, sending)
}

/// The status of the response, if there is one within the deadline.
fn status(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(LONG)).expect("a deadline");
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("a response");
    String::from_utf8_lossy(&head[9..]).into_owned()
}

#[test]
fn slow_bodies_give_way_to_an_upload_without_room() {
    let stage = stage::new();
    let Some(pod) = with_small_runtime(&stage, "slow_bodies_give_way", 64) else { return };
    let port = stage.port;
    let held = |all_mib: u64| {
        let stream = holds(port, 8 << 20);
        eventually(LONG, "it is received", || (on_disk(&pod, "request") > (all_mib - 1) << 20).then_some(()));
        stream
    };
    let mut honest = held(8);
    let (over, sending) = goes_on(&honest);
    let (silent, other) = (held(16), held(24));
    // It needs 3 MB: one of the silent ones is enough.
    assert_eq!(upload(port, 6 << 20).status, 200);
    assert_eq!(status(silent), "408");
    let given_way = "http_clients_let_go_total{reason=\"slow_body_at_limit\"}";
    assert_eq!(metric(&pod, given_way), 1);
    assert_eq!(metric(&pod, "http_requests_refused_total{reason=\"spool_full\"}"), 0);
    drop(over);
    let sent = sending.join().expect("a sender");
    honest.write_all(&vec![b'a'; REST - sent]).expect("the rest");
    assert_eq!(status(honest), "200");
    drop(other);
    eventually(LONG, "nothing is kept", || (on_disk(&pod, "request") == 0).then_some(()));
}

#[test]
fn an_upload_without_room_waits_and_is_refused_only_then() {
    let stage = stage::new();
    let Some(pod) = with_small_runtime(&stage, "an_upload_without_room", 64) else { return };
    // 50 MB are accepted by default, and do not fit.
    pod.event("web.body_limit_too_large");
    let refused = http::request(
        stage.port,
        &format!(
            "POST {COUNT} HTTP/1.1\r\nHost: {SITE}\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            40 << 20
        ),
    );
    assert_eq!(refused.expect("an answer").status, 413);
    let port = stage.port;
    for is_released in [true, false] {
        let holder = holds(port, 20 << 20);
        let (over, sending) = goes_on(&holder);
        eventually(LONG, "the share is used", || (on_disk(&pod, "request") > 19 << 20).then_some(()));
        let waiting = thread::spawn(move || upload(port, 10 << 20));
        eventually(LONG, "an upload waits", || (metric(&pod, "http_uploads_waiting") == 1).then_some(()));
        // A small one does not wait.
        assert_eq!(upload(port, 900_000).status, 200);
        let end = || {
            drop(over);
            sending.join().expect("a slow client is not disconnected");
            drop(holder);
        };
        let answer = if is_released {
            end();
            waiting.join().expect("an upload")
        } else {
            let answer = waiting.join().expect("an upload");
            end();
            answer
        };
        if is_released {
            assert_eq!(answer.status, 200, "{}", answer.head);
        } else {
            assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{}", answer.head);
        }
        eventually(LONG, "nothing is kept", || (on_disk(&pod, "request") == 0).then_some(()));
    }
    assert_eq!(metric(&pod, "http_requests_refused_total{reason=\"spool_full\"}"), 1);
    pod.event("web.buffer_full");
}
