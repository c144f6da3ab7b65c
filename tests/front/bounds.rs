//! Limits on what an idle or greedy client can occupy: connections, memory, workers, and the time of a stop.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod};
use crate::support::stage::{Stage, ready};
use crate::support::wait::eventually;
use crate::support::{h2, http, port};

/// Longer than the longest timeout of the web port, on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(150);
const BIG: &str = "/files/big.bin";

fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection")
}

fn sends(port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(port);
    stream.write_all(bytes).expect("bytes");
    stream
}

fn gets(port: u16, path: &str) -> TcpStream {
    sends(port, format!("GET {path} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n").as_bytes())
}

/// Creates a sparse public file.
fn big_file(stage: &Stage, bytes: u64) {
    let folder = stage.bench.sites().join(SITE).join("public/files");
    fs::create_dir_all(&folder).expect("public/files");
    fs::File::create(folder.join("big.bin")).and_then(|file| file.set_len(bytes)).expect("a large file");
}

fn descriptors(pod: &Pod) -> usize {
    fs::read_dir(format!("/proc/{}/fd", pod.pid())).expect("descriptors").count()
}

/// CPU time of the supervisor process, in ticks of 10 ms.
fn ticks(pod: &Pod) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pod.pid())).expect("a state");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("ticks")).sum()
}

fn highest_resident_kb(pod: &Pod) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pod.pid())).expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).expect("a number").parse().expect("kB")
}

fn metric(pod: &Pod, line: &str) -> u64 {
    let metrics = pod.body("/metrics");
    let found = metrics.lines().find_map(|found| found.strip_prefix("cauldron_frappe_")?.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// True if the other side has closed the connection.
pub fn is_ended(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn incomplete_requests_hold_neither_connections_nor_cpu() {
    let stage = stage::new();
    let pod = stage.serving();
    // The process may open a few of its own later.
    let before = descriptors(&pod);
    for begun in ["P", "PR", "PRI", "PRI ", "G", "\r", ""] {
        for _ in 0..50 {
            drop(sends(stage.port, begun.as_bytes()));
        }
    }
    eventually(LONG, "closed connections are released", || (descriptors(&pod) < before + 20).then_some(()));
    let greeting = h2::client_preface(65_535);
    let request = h2::request(1, "GET", SITE, "/", false);
    let begun: [&[u8]; 8] = [
        b"P",
        b"PRI",
        b"PRI * HT",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
        b"\r\n",
        &greeting[..30],
        &greeting,
        &[&greeting, &request[..12]].concat(),
    ];
    let mut waiting: Vec<TcpStream> =
        (0..40).flat_map(|_| begun.iter().map(|bytes| sends(stage.port, bytes))).collect();
    let used = ticks(&pod);
    eventually(MAX_WAIT, "silent connections are closed", || {
        waiting.retain_mut(|stream| !is_ended(stream));
        thread::sleep(Duration::from_millis(250));
        waiting.is_empty().then_some(())
    });
    // It takes more than a minute; a loop that polls every millisecond would use a third of that.
    assert!(ticks(&pod) - used < 800, "{} ticks", ticks(&pod) - used);
    assert_eq!(stage.get("/api/method/ping"), 200);
    assert!(metric(&pod, "http_clients_let_go_total{reason=\"no_head\"}") > 0);
}

#[test]
fn http2_clients_that_do_not_read_use_bounded_memory() {
    let stage = stage::new();
    let pod = stage.serving();
    big_file(&stage, 20 << 20);
    assert_eq!(stage.get("/api/method/ping"), 200);
    let before = highest_resident_kb(&pod);
    // Each opens the largest window that the protocol allows, and reads nothing.
    let greedy: Vec<TcpStream> =
        (0..40).map(|_| h2::with_requests(stage.port, SITE, BIG, 100, h2::MAX_WINDOW)).collect();
    eventually(LONG, "all requests have arrived", || {
        (metric(&pod, "http_requests_in_flight") >= 4000).then_some(())
    });
    for _ in 0..20 {
        assert_eq!(stage.get("/assets/assets.json"), 200);
        assert_eq!(stage.get("/api/method/ping"), 200);
    }
    let mut other = h2::with_requests(stage.port, SITE, BIG, 3, h2::MAX_WINDOW);
    other.set_read_timeout(Some(LONG)).expect("a deadline");
    let whole: u64 = 3 * (20 << 20);
    let copied = std::io::copy(&mut (&mut other).take(whole), &mut std::io::sink()).expect("an answer");
    assert_eq!(copied, whole);
    let grown_kb = highest_resident_kb(&pod) - before;
    assert!(grown_kb < 96 * 1024, "{grown_kb} kB more at the highest");
    let open = descriptors(&pod);
    assert!(open < 3000, "{open} files and connections for {} connections", greedy.len());
    drop(greedy);
    eventually(LONG, "nothing is kept for closed connections", || {
        (metric(&pod, "http_requests_in_flight") == 0).then_some(())
    });
}

/// Reads in small pieces until `finish` is sent, then the rest, up to `max_rest` bytes. Returns the length.
fn read_slowly(mut stream: TcpStream, finish: mpsc::Receiver<()>, max_rest: u64) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let (mut whole, mut piece) = (0, vec![0; 8 * 1024]);
        while finish.recv_timeout(Duration::from_millis(500)).is_err() {
            whole += stream.read(&mut piece).expect("a piece") as u64;
        }
        whole + std::io::copy(&mut stream.take(max_rest), &mut std::io::sink()).expect("the rest")
    })
}

#[test]
fn a_client_that_reads_nothing_is_disconnected_and_a_slow_one_is_served() {
    let stage = stage::new();
    let pod = stage.serving();
    big_file(&stage, 48 << 20);
    let text = format!("/api/method/frappe.sample.text?length={}", 48 << 20);
    let idle_socket =
        sends(stage.port, format!("GET /assets/assets.json HTTP/1.1\r\nHost: {SITE}\r\n\r\n").as_bytes());
    let (finish_file, finish) = mpsc::channel();
    let (finish_text, text_finished) = mpsc::channel();
    let slow = read_slowly(gets(stage.port, BIG), finish, u64::MAX);
    let slow_text = read_slowly(gets(stage.port, &text), text_finished, u64::MAX);
    // HTTP/2 with everything in one stream. Frames of the server, such as pings, wait behind the file.
    let (finish_stream, stream_finished) = mpsc::channel();
    let one_stream = h2::with_requests(stage.port, SITE, BIG, 1, h2::MAX_WINDOW);
    let slow_stream = read_slowly(one_stream, stream_finished, 47 << 20);
    let _file = gets(stage.port, BIG);
    let _answer = gets(stage.port, &text);
    let _all_streams = h2::with_requests(stage.port, SITE, BIG, 3, h2::MAX_WINDOW);
    // It reads from its connection, but gives its streams no window.
    let no_room = h2::with_requests(stage.port, SITE, BIG, 3, 65_535);
    let reader = thread::spawn(move || h2::read_without_window_updates(no_room));
    // Nothing is written to a client that waits for its response.
    let folder = tempfile::tempdir().expect("a folder");
    let release = folder.path().join("release");
    let held = format!(
        "/api/method/frappe.sample.held?started={}&release={}",
        folder.path().join("started").display(),
        release.display()
    );
    let held_by_http2 = h2::with_requests(stage.port, SITE, &held, 1, 65_535);
    let held_by_http2 = thread::spawn(move || h2::read_without_window_updates(held_by_http2));
    let mut held = gets(stage.port, &held);
    eventually(LONG, "all requests have arrived", || {
        (metric(&pod, "http_requests_in_flight") >= 13).then_some(())
    });
    eventually(MAX_WAIT, "clients that read nothing are disconnected", || {
        (metric(&pod, "http_requests_in_flight") == 5).then_some(())
    });
    fs::write(&release, "").expect("the release");
    let mut answer = String::new();
    held.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(held_by_http2.join().expect("an answer").ends_with(b"\"done\"}"));
    let dropped = metric(&pod, "http_clients_let_go_total{reason=\"unread_answer\"}");
    assert!(dropped >= 6, "{dropped} clients");
    let pieces = [(finish_file, slow), (finish_text, slow_text), (finish_stream, slow_stream)];
    let pieces = pieces.map(|(finish_file, slow)| {
        finish_file.send(()).expect("a reader");
        slow.join().expect("a whole answer")
    });
    assert!(pieces.iter().all(|length| *length > 47 << 20), "{pieces:?}");
    drop(idle_socket);
    drop(pod);
    reader.join().expect("a reader");
}

#[test]
fn inactive_clients_do_not_delay_a_stop() {
    let stage = stage::new();
    let pod = ready(stage.web().set("CAULDRON_GRACE", "300s"));
    big_file(&stage, 48 << 20);
    let text = format!("/api/method/frappe.sample.text?length={}", 48 << 20);
    let _file = gets(stage.port, BIG);
    let _answer = gets(stage.port, &text);
    let _streams = h2::with_requests(stage.port, SITE, BIG, 3, h2::MAX_WINDOW);
    let no_room = h2::with_requests(stage.port, SITE, BIG, 3, 0);
    let reader = thread::spawn(move || h2::read_without_window_updates(no_room));
    let head = format!("POST / HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: 100000\r\n\r\nabc");
    let _sender = sends(stage.port, head.as_bytes());
    // This request is processed, and gets its response.
    let slow = gets(stage.port, "/api/method/frappe.sample.slow?seconds=8");
    eventually(LONG, "all requests have arrived", || {
        (metric(&pod, "http_requests_in_flight") >= 10).then_some(())
    });
    pod.signal(Signal::SIGTERM);
    let mut answer = String::new();
    (&slow).read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    pod.end_within(Duration::from_secs(45)).exits(0);
    reader.join().expect("a reader");
    assert_eq!(http::status(stage.port, SITE, "/"), 0);
}

/// With 400 open files, 87 connections fit (src/sys/limits.rs).
#[test]
fn idle_connections_give_way_to_new_ones() {
    let stage = stage::new();
    let pod = ready(stage.web().under(&["prlimit", "--nofile=400"]));
    let limit = metric(&pod, "http_connections_limit");
    let request = format!("GET /assets/assets.json HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
    let folder = tempfile::tempdir().expect("a folder");
    let (started, release) = (folder.path().join("started"), folder.path().join("release"));
    let path =
        format!("/api/method/frappe.sample.held?started={}&release={}", started.display(), release.display());
    let mut busy = gets(stage.port, &path);
    eventually(LONG, "a request is in progress", || started.exists().then_some(()));
    let mut idle: Vec<TcpStream> = (0..2 * limit).map(|_| sends(stage.port, request.as_bytes())).collect();
    assert_eq!(stage.get("/api/method/ping"), 200);
    pod.event("web.connections_full");
    assert!(metric(&pod, "http_connections") <= limit);
    let given_way = metric(&pod, "http_clients_let_go_total{reason=\"idle_at_limit\"}");
    assert!(given_way >= limit, "{given_way} of {}", idle.len());
    assert!(idle.iter_mut().any(is_ended));
    // A connection with a request in progress is not idle.
    fs::write(&release, "").expect("the release");
    let mut answer = String::new();
    busy.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Silent connections to the port that redirects to https hold places of the web port only while there are enough.
#[test]
fn silent_connections_of_the_second_port_give_way() {
    let stage = stage::new();
    let second = port::free();
    let web = stage.web().set("CAULDRON_REDIRECT_ADDR", format!("127.0.0.1:{second}"));
    // The busy requests must not end before the ping is given up.
    let web = web.set("GUNICORN_TIMEOUT", 600).set("PROXY_READ_TIMEOUT", 600);
    let pod = ready(web.under(&["prlimit", "--nofile=400"]));
    let folder = tempfile::tempdir().expect("a folder");
    let (started, release) = (folder.path().join("started"), folder.path().join("release"));
    let path =
        format!("/api/method/frappe.sample.held?started={}&release={}", started.display(), release.display());
    let _busy = gets(stage.port, &path);
    eventually(LONG, "a request is in progress", || started.exists().then_some(()));
    // More than its open files.
    let _silent: Vec<TcpStream> = (0..400).map(|_| sends(second, b"")).collect();
    pod.event("web.connections_full");
    let _second_busy = gets(stage.port, &path);
    assert_eq!(stage.get("/api/method/ping"), 200);
    fs::write(&release, "").expect("the release");
}

#[test]
fn a_response_that_pauses_for_too_long_is_ended() {
    let stage = stage::new().set("PROXY_READ_TIMEOUT", 3);
    let pod = stage.serving();
    let folder = tempfile::tempdir().expect("a folder");
    let ask = |name: &str| {
        let (started, release) = (folder.path().join(name), folder.path().join(format!("{name}-release")));
        let path = format!(
            "/api/method/frappe.sample.paused?started={}&release={}",
            started.display(),
            release.display()
        );
        let stream = gets(stage.port, &path);
        stream.set_read_timeout(Some(LONG)).expect("a timeout");
        eventually(LONG, "its first part is sent", || started.exists().then_some(()));
        (stream, release)
    };
    let rest = |mut stream: TcpStream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    let (short, release) = ask("short");
    fs::write(release, "").expect("the release");
    assert!(rest(short).expect("a whole answer").ends_with("0\r\n\r\n"));
    let (stalled, release) = ask("stalled");
    let answer = rest(stalled).unwrap_or_default();
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    pod.event("request.response_incomplete");
    fs::write(release, "").expect("the release");
}
