//! Requests for Frappe: the web port beside nginx, before the same gunicorn, and gunicorn alone.
//!
//! Measured is processor time, of the proxy or of proxy and gunicorn. nginx opens a connection to gunicorn for each request,
//! as frappe_docker configures it.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use super::front::{Stream, socket};
use super::kernel_account::processor_ms;
use super::lab::{SITE_NAME, Site};
use super::nginx::Nginx;
use super::report::{Row, Target};
use super::samples::{Samples, Subject, take_turns};
use super::started::{Started, descendants};

const ROUNDS: usize = 5;
const CLIENTS: usize = 4;
/// Of each client.
const REQUESTS: usize = 200;
const BODY_BYTES: usize = 300_000;

/// A way to gunicorn, and the processes of the proxy on it.
struct Way {
    name: &'static str,
    address: Address,
    proxy: Vec<i32>,
}

#[derive(Clone)]
enum Address {
    Port(u16),
    Socket(PathBuf),
}

pub fn measure(site: &Site, ours: &Started, nginx: &Nginx) -> Vec<Row> {
    let gunicorn = descendants(ours.pid());
    let socket = socket(site);
    let ways = [
        Way { name: "ours", address: Address::Port(site.web_port), proxy: vec![ours.pid()] },
        Way { name: "nginx", address: Address::Port(nginx.port), proxy: nginx.pids() },
        Way { name: "gunicorn alone", address: Address::Socket(socket), proxy: Vec::new() },
    ];
    let get = |path: &str, headers: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {SITE_NAME}\r\nX-Frappe-Site-Name: {SITE_NAME}\r\n{headers}\r\n"
        )
        .into_bytes()
    };
    let ping = get("/api/method/ping", "");
    let json = get("/api/method/frappe.sample.rows?count=60", "Accept-Encoding: gzip\r\n");
    let mut post = format!(
        "POST /api/method/frappe.sample.count HTTP/1.1\r\nHost: {SITE_NAME}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {BODY_BYTES}\r\n\r\n"
    )
    .into_bytes();
    post.resize(post.len() + BODY_BYTES, b'a');
    let whole = costs(&ways, &ping, &gunicorn);
    let (both, alone) = (whole[..2].to_vec(), vec![whole[0].clone(), whole[2].clone()]);
    let proxies = &ways[..2];
    vec![
        Row::new("ping, processor time of proxy and gunicorn", "µs", both, Target::RatioAtMost(0.5))
            .noted("twice nginx's requests per processor second"),
        Row::new("ping, the same beside gunicorn alone", "µs", alone, Target::RatioAtMost(1.0 / 0.9))
            .noted("0.9 of gunicorn's requests per processor second, over persistent connections"),
        Row::new(
            "ping, processor time of the proxy",
            "µs",
            costs(proxies, &ping, &[]),
            Target::RatioAtMost(1.0),
        ),
        Row::new(
            "JSON of 8 kB, gzip, processor time",
            "µs",
            costs(proxies, &json, &[]),
            Target::RatioAtMost(1.2),
        ),
        Row::new(
            "POST of 300 kB, processor time",
            "µs",
            costs(proxies, &post, &[]),
            Target::RatioAtMost(1.3),
        ),
    ]
}

/// The processor time of one request, in the proxy and in these other processes.
fn costs(ways: &[Way], request: &[u8], others: &[i32]) -> Vec<Samples> {
    let subject = |way: &Way| {
        let pids = [way.proxy.as_slice(), others].concat();
        let (address, request) = (way.address.clone(), request.to_vec());
        Subject::new(way.name, move || {
            let spent_ms = || pids.iter().map(|pid| processor_ms(*pid)).sum::<f64>();
            let before = spent_ms();
            load(&address, &request);
            (spent_ms() - before) * 1e3 / (CLIENTS * REQUESTS) as f64
        })
    };
    take_turns(ROUNDS, ways.iter().map(subject).collect())
}

fn load(address: &Address, request: &[u8]) {
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut stream = address.connect();
                (0..REQUESTS).for_each(|_| exchange(&mut *stream, request));
            });
        }
    });
}

impl Address {
    fn connect(&self) -> Box<dyn Stream> {
        match self {
            Self::Port(port) => Box::new(TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).expect("a server")),
            Self::Socket(path) => Box::new(UnixStream::connect(path as &Path).expect("gunicorn")),
        }
    }
}

/// Sends a request on a persistent connection, and reads the response.
fn exchange(stream: &mut dyn Stream, request: &[u8]) {
    stream.write_all(request).expect("a request");
    let (mut answer, mut part) = (Vec::new(), [0; 16 * 1024]);
    while !is_complete(&answer) {
        let count = stream.read(&mut part).expect("an answer");
        assert!(count > 0, "the connection was closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

fn is_complete(answer: &[u8]) -> bool {
    let Some(at) = answer.windows(4).position(|part| part == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..at]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    match length {
        Some(length) => answer.len() - at - 4 == length.trim().parse::<usize>().expect("a length"),
        None => answer.ends_with(b"0\r\n\r\n"),
    }
}
