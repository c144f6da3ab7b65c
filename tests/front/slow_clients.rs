//! Slow clients, malicious or not, do not delay others.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::stage::{self, SITE};
use crate::support::binary::LONG;
use crate::support::http;
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::wait::eventually;

/// Both ends of 10,000 connections are on one machine, and our ends are in one process.
const IDLE: usize = 10_000;

fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection")
}

fn private_kb(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a memory map");
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).expect("Pss");
    line.split_whitespace().nth(1).expect("a number").parse().expect("kB")
}

#[test]
fn idle_connections_are_cheap_and_slow_ones_delay_no_other() {
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("a limit");
    let files = hard.min(65_536);
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, files, hard).expect("files");
    let stage = stage::new();
    let pod = stage.serving();
    let wanted = IDLE.min(files as usize / 2);
    if wanted < IDLE {
        skipped(
            "idle connections, in part",
            format!("{wanted} instead of {IDLE}: no more than {hard} files may be open"),
        );
    }
    let before = private_kb(pod.pid());
    let silent: Vec<TcpStream> = (0..wanted).map(|_| connect(stage.port)).collect();
    // Slowloris: a head that never ends.
    let mut slow: Vec<TcpStream> = (0..500).map(|_| connect(stage.port)).collect();
    for stream in &mut slow {
        write!(stream, "GET / HTTP/1.1\r\nHost: {SITE}\r\nX-Slow: ").expect("half a head");
    }
    assert_eq!(stage.get("/api/method/ping"), 200);
    for stream in &mut slow {
        stream.write_all(b"a").expect("a byte");
    }
    assert_eq!(stage.get("/assets/assets.json"), 200);
    let each = (private_kb(pod.pid()) - before) * 1024 / (wanted + slow.len()) as u64;
    assert!(each < 8 * 1024, "{each} bytes a connection");
    // Idle connections are served when they send a request.
    let mut last = silent.into_iter().next_back().expect("a connection");
    write!(last, "GET /assets/assets.json HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    last.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(http::status(stage.port, SITE, "/api/method/ping"), 200);
}

#[test]
fn an_endless_request_head_times_out() {
    let stage = stage::new();
    let _pod = stage.serving();
    let mut slow = connect(stage.port);
    write!(slow, "GET / HTTP/1.1\r\nHost: {SITE}\r\nX-Slow: ").expect("half a head");
    let mut again = slow.try_clone().expect("the same connection");
    // Single bytes do not extend the timeout.
    std::thread::spawn(move || {
        let (_sender, never) = std::sync::mpsc::channel::<()>();
        while again.write_all(b"a").is_ok() {
            let _ = never.recv_timeout(Duration::from_secs(5));
        }
    });
    slow.set_read_timeout(Some(LONG)).expect("a deadline");
    let mut answer = Vec::new();
    let ended = slow.read_to_end(&mut answer);
    assert!(!matches!(&ended, Err(error) if error.kind() == ErrorKind::WouldBlock), "still open");
}

#[test]
fn slow_readers_occupy_no_worker() {
    let stage = stage::new();
    let one = stage.web().set("GUNICORN_WORKERS", 1).set("GUNICORN_THREADS", 1);
    let _pod = ready(one);
    let length = 48 << 20;
    let ask = |length: usize, headers: &str| {
        let mut slow = connect(stage.port);
        let path = format!("/api/method/frappe.sample.text?length={length}");
        write!(slow, "GET {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n{headers}\r\n")
            .expect("a request");
        slow
    };
    // gunicorn has one thread, and these responses exceed every socket buffer.
    let mut first = ask(length, "");
    let mut aborted = ask(length, "");
    let mut small = ask(length, "Accept-Encoding: gzip\r\n");
    for _ in 0..3 {
        assert_eq!(stage.get("/api/method/ping"), 200);
    }
    aborted.read_exact(&mut [0; 100]).expect("a beginning");
    drop(aborted);
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).expect("an answer");
    let text = answer.windows(7).position(|part| part == b"frappe ").expect("text");
    let whole = "frappe ".repeat(length / 7);
    assert!(answer[text..].starts_with(whole.as_bytes()), "{} bytes", answer.len());
    answer.clear();
    small.read_to_end(&mut answer).expect("an answer");
    assert!(answer.ends_with(b"0\r\n\r\n"), "{} bytes", answer.len());
    assert_eq!(stage.get("/api/method/ping"), 200);
}

/// The bytes that the kernel keeps for the clients of the port, from `/proc/net/tcp` (proc(5)).
fn kept_by_the_kernel(port: u16) -> u64 {
    let sockets =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let ours = format!(":{port:04X}");
    let unsent_bytes = |row: &str| {
        let mut columns = row.split_whitespace().skip(1);
        let (local, queues) = (columns.next()?, columns.nth(2)?);
        local.ends_with(&ours).then(|| u64::from_str_radix(queues.split(':').next()?, 16).ok())?
    };
    sockets.iter().flat_map(|table| table.lines()).filter_map(unsent_bytes).sum()
}

#[test]
fn the_kernel_keeps_little_for_a_client_that_reads_nothing() {
    let stage = stage::new();
    stage.created();
    let folder = stage.bench.sites().join(SITE).join("public/files");
    fs::create_dir_all(&folder).expect("public/files");
    fs::File::create(folder.join("big.bin")).and_then(|file| file.set_len(20 << 20)).expect("a large file");
    let _pod = stage.serving();
    let mut client = connect(stage.port);
    write!(client, "GET /files/big.bin HTTP/1.1\r\nHost: {SITE}\r\n\r\n").expect("a request");
    let mut before = 0;
    let kept_bytes = eventually(LONG, "the kernel takes no more", || {
        let now = kept_by_the_kernel(stage.port);
        (std::mem::replace(&mut before, now) == now && now > 0).then_some(now)
    });
    assert!(kept_bytes < 512 << 10, "{kept_bytes} bytes");
}

#[test]
fn idle_connections_are_served_again() {
    let stage = stage::new();
    let _pod = stage.serving();
    let read_answer = |stream: &mut TcpStream| {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).expect("an answer");
        assert!(part[..count].starts_with(b"HTTP/1.1 200"));
    };
    let mut clients: Vec<TcpStream> = (0..50).map(|_| connect(stage.port)).collect();
    for stream in &mut clients {
        write!(stream, "GET /assets/assets.json HTTP/1.1\r\nHost: {SITE}\r\n\r\n").expect("a request");
        read_answer(stream);
        stream.write_all(b"GET /assets/assets.json HTTP/1.1\r\nHo").expect("half a request");
    }
    assert_eq!(stage.get("/assets/assets.json"), 200);
    for stream in &mut clients {
        write!(stream, "st: {SITE}\r\n\r\n").expect("the rest");
        read_answer(stream);
    }
}
