//! The web port beside nginx and a bare gunicorn: [`front_files`], [`front_proxied`], and here the latency that it adds to
//! gunicorn, idle connections and reloads.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::first_answer::first_answer_ns;
use super::front_files::SMALL;
use super::kernel_account::memory_mb;
use super::lab::{DEADLINE, Lab, SITE_NAME, Site};
use super::nginx::Nginx;
use super::report::{Row, Target};
use super::samples::{Samples, Subject, take_turns};
use super::started::Started;
use super::support::http;
use super::support::wait::eventually;
use super::{front_files, front_proxied};

const ROUNDS: usize = 7;
const PINGS: usize = 50;
const PAIRS: usize = 400;
const CLIENTS: usize = 4;
const IDLE_CONNECTIONS: usize = 1000;
const RELOADS: usize = 20;
const ANSWERS_A_RELOAD: usize = 50;
const UNTIL_IDLE: Duration = Duration::from_secs(12);

pub fn measure(lab: &Lab) -> Vec<Row> {
    let site = lab.site();
    let mut pod = lab.on_site(site, "web");
    let mut ours = lab.start(pod.env("GUNICORN_WORKERS", "2").env("GUNICORN_THREADS", "4"));
    first_answer_ns(&mut ours, site.web_port);
    // Files that nginx and our processes have to find.
    fs::set_permissions(site.bench.path(), fs::Permissions::from_mode(0o755))
        .expect("a bench that all may enter");
    let nginx = Nginx::start(lab, site, &socket(site));
    let mut rows = front_files::measure(lab, site, &ours, &nginx);
    rows.extend(front_proxied::measure(site, &ours, &nginx));
    drop(nginx);
    rows.extend(pings(site));
    rows.push(idle_connections(site, &ours));
    rows.push(reloads(site, &ours));
    rows
}

/// Returns gunicorn's own socket, in the runtime folder of this bench.
pub fn socket(site: &Site) -> PathBuf {
    let folders = fs::read_dir(site.bench.path().join("runtime")).expect("the runtime folder");
    let mut sockets = folders.flatten().map(|folder| folder.path().join("gunicorn.sock"));
    sockets.find(|socket| socket.exists()).expect("gunicorn's socket")
}

fn pings(site: &Site) -> Vec<Row> {
    let socket = socket(site);
    let through =
        || Box::new(TcpStream::connect((Ipv4Addr::LOCALHOST, site.web_port)).expect("the front")) as _;
    let directly = || Box::new(UnixStream::connect(&socket).expect("gunicorn")) as _;
    let (mut front, mut alone): (Box<dyn Stream>, Box<dyn Stream>) = (through(), directly());
    let pairs: Vec<(f64, f64)> = (0..PAIRS).map(|_| (ping_ms(&mut *front), ping_ms(&mut *alone))).collect();
    let added = pairs.iter().map(|(ours, alone)| ours - alone).collect();
    let (ours, alone) = pairs.into_iter().unzip();
    let latency = vec![Samples::new("ours", ours), Samples::new("gunicorn alone", alone)];
    let all = take_turns(
        ROUNDS,
        vec![
            Subject::new("ours", || all_of_them_ms(&through)),
            Subject::new("gunicorn alone", || all_of_them_ms(&directly)),
        ],
    );
    vec![
        Row::new(
            "ping through the front, p50 added",
            "ms",
            vec![Samples::new("ours", added)],
            Target::AtMost(0.15),
        ),
        Row::new("ping through the front, p50", "ms", latency, Target::None),
        Row::new("pings of 4 clients at once", "ms", all, Target::RatioAtMost(1.0 / 0.95))
            .noted(&format!("{CLIENTS} × {PINGS}; both: the same gunicorn, over a persistent connection")),
    ]
}

pub trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// Sends one ping on a persistent connection.
fn ping(stream: &mut dyn Stream) {
    let request = format!(
        "GET /api/method/ping HTTP/1.1\r\nHost: {SITE_NAME}\r\nX-Frappe-Site-Name: {SITE_NAME}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"{\"message\":\"pong\"}") {
        let count = stream.read(&mut part).expect("an answer");
        assert!(count > 0, "the connection was closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

pub fn ping_ms(stream: &mut dyn Stream) -> f64 {
    let begun = Instant::now();
    ping(stream);
    begun.elapsed().as_secs_f64() * 1e3
}

fn all_of_them_ms(connect: &dyn Fn() -> Box<dyn Stream>) -> f64 {
    let streams: Vec<_> = (0..CLIENTS).map(|_| connect()).collect();
    let begun = Instant::now();
    let client =
        |mut stream: Box<dyn Stream>| thread::spawn(move || (0..PINGS).for_each(|_| ping(&mut *stream)));
    let clients: Vec<_> = streams.into_iter().map(client).collect();
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    begun.elapsed().as_secs_f64() * 1e3
}

/// Opens connections that each request a file once and then stay open.
fn idle_connections(site: &Site, ours: &Started) -> Row {
    let request = format!("GET /assets/frappe/bench/{} HTTP/1.1\r\nHost: {SITE_NAME}\r\n\r\n", SMALL.0);
    let connect = |_| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, site.web_port)).expect("the front");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut part = [0; 4096];
        assert!(stream.read(&mut part).expect("an answer") > 0);
        stream
    };
    let connections: Vec<TcpStream> = (0..IDLE_CONNECTIONS).map(connect).collect();
    thread::sleep(UNTIL_IDLE);
    let memory = Samples::new("ours", vec![memory_mb(ours.pid())]);
    drop(connections);
    Row::new("memory with 1,000 idle connections, PSS", "MB", vec![memory], Target::AtMost(42.0))
        .noted("each got one response, and keeps up to 32 kB of buffers; after all the load above")
}

fn reloads(site: &Site, ours: &Started) -> Row {
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let status = || http::status(site.web_port, SITE_NAME, "/api/method/ping");
    let lost = thread::scope(|scope| {
        let client = || {
            let mut lost = 0;
            while !done.load(Ordering::Relaxed) {
                lost += usize::from(status() != 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            lost
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for _ in 0..RELOADS {
            kill(Pid::from_raw(ours.pid()), Signal::SIGHUP).expect("a front to reload");
            let enough = answered.load(Ordering::Relaxed) + ANSWERS_A_RELOAD;
            eventually(DEADLINE, "answers", || (answered.load(Ordering::Relaxed) >= enough).then_some(()));
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client")).sum::<usize>()
    });
    let asked = answered.load(Ordering::Relaxed);
    let samples = Samples::new("ours", vec![lost as f64]);
    Row::new("requests lost over 20 reloads", "of all", vec![samples], Target::AtMost(0.0))
        .noted(&format!("of {asked}, by {CLIENTS} clients at once"))
}
