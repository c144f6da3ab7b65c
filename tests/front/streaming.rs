//! Responses that are passed on as they come: event streams, and where Frappe sends X-Accel-Buffering.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use crate::stage::{self, SITE};
use crate::support::binary::LONG;
use crate::support::wait::eventually;

/// Exceeds every socket buffer on the way.
const LENGTH: usize = 16 << 20;

fn gets(port: u16, method: &str, arguments: &str, header: &str) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    let path = format!("/api/method/frappe.sample.{method}?{arguments}");
    let head = format!("GET {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    stream
}

fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("the next byte"), 1, "{}", String::from_utf8_lossy(&answer));
        answer.push(byte[0]);
    }
    String::from_utf8(answer).expect("text")
}

/// Each part arrives before the next is made, uncompressed, and without the order to the proxy.
#[test]
fn each_part_arrives_as_it_is_made() {
    let stage = stage::new();
    let _pod = stage.serving();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, header) in
        [("events", "Content_Type=text/event-stream"), ("ordered", "X_Accel_Buffering=no&X_Accel_Expires=0")]
    {
        let (started, release) = (folder.path().join(name), folder.path().join(format!("{name}-release")));
        let arguments = format!("started={}&release={}&{header}", started.display(), release.display());
        let mut stream = gets(stage.port, "paused", &arguments, "Accept-Encoding: gzip\r\n");
        let begin = read_until(&mut stream, "first ").to_ascii_lowercase();
        assert!(begin.starts_with("http/1.1 200") && begin.contains("transfer-encoding: chunked"), "{begin}");
        assert!(!begin.contains("content-encoding") && !begin.contains("x-accel-"), "{begin}");
        fs::write(&release, "").expect("the release");
        read_until(&mut stream, "second\r\n0\r\n\r\n");
    }
}

#[test]
fn a_slow_reader_slows_gunicorn_only_where_frappe_asks() {
    let stage = stage::new();
    let _pod = stage.serving();
    let folder = tempfile::tempdir().expect("a folder");
    let begin = |done: &Path, headers: &str| {
        let arguments = format!("done={}&length={LENGTH}{headers}", done.display());
        let mut stream = gets(stage.port, "generated", &arguments, "");
        read_until(&mut stream, "\r\n\r\n");
        stream
    };
    let (streamed_done, buffered_done) = (folder.path().join("streamed"), folder.path().join("buffered"));
    let mut streamed = begin(&streamed_done, "&X_Accel_Buffering=no");
    let _buffered = begin(&buffered_done, "");
    eventually(LONG, "gunicorn has sent the buffered response", || buffered_done.exists().then_some(()));
    assert!(!streamed_done.exists(), "the streamed one waits for its reader");
    let mut rest = Vec::new();
    streamed.read_to_end(&mut rest).expect("the rest");
    assert!(rest.len() >= LENGTH && rest.ends_with(b"0\r\n\r\n"), "{} bytes", rest.len());
    assert!(streamed_done.exists());
}
