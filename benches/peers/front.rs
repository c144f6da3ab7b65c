//! Compares the web port with nginx, configured as in the official images, and with werkzeug's static middleware; and
//! measures the latency that it adds to gunicorn, compared with requests on gunicorn's private socket.
//!
//! Files are measured in processor time for each request (the inverse of requests per second and core), which depends
//! little on the load of the machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::first_answer::first_answer_ns;
use super::kernel_account::{memory_mb, processor_ms};
use super::lab::{DEADLINE, Lab, SITE_NAME, Site};
use super::report::{Row, Target};
use super::samples::{Samples, Subject, take_turns};
use super::started::{Started, descendants};
use super::support::wait::eventually;
use super::support::{http, port};

const ROUNDS: usize = 7;
const LOAD: &str = "2s";
const PINGS: usize = 50;
const PAIRS: usize = 400;
const CLIENTS: usize = 4;
const IDLE_CONNECTIONS: usize = 1000;
const RELOADS: usize = 20;
const ANSWERS_A_RELOAD: usize = 50;
const UNTIL_IDLE: Duration = Duration::from_secs(12);
const SMALL: (&str, usize) = ("small.js", 1_000);
const LARGE: (&str, usize) = ("large.js", 1 << 20);

pub fn measure(lab: &Lab) -> Vec<Row> {
    let site = lab.site();
    let mut pod = lab.on_site(site, "web");
    let mut ours = lab.start(pod.env("GUNICORN_WORKERS", "2").env("GUNICORN_THREADS", "4"));
    first_answer_ns(&mut ours, site.web_port);
    let mut rows = files(lab, site, &ours);
    rows.extend(pings(site));
    rows.push(idle_connections(site, &ours));
    rows.push(reloads(site, &ours));
    rows
}

fn files(lab: &Lab, site: &Site, ours: &Started) -> Vec<Row> {
    let public = site.bench.path().join("apps/frappe/frappe/public/bench");
    fs::create_dir_all(&public).expect("a folder for assets");
    for (name, bytes) in [SMALL, LARGE] {
        fs::write(public.join(name), vec![b'a'; bytes]).expect("an asset");
    }
    for folder in site.bench.path().ancestors().take(2).chain([public.as_path()]) {
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (nginx, nginx_port) = nginx(lab, site, folder.path());
    let (werkzeug, werkzeug_port) = werkzeug(lab, site, folder.path());
    let serving = |process: &Started| {
        let mut all = vec![process.pid()];
        all.extend(descendants(process.pid()));
        all
    };
    let (nginx_pids, werkzeug_pids) = (serving(&nginx), serving(&werkzeug));
    let cost = |(name, _): (&str, usize)| {
        let url = |port: u16| format!("http://127.0.0.1:{port}/assets/frappe/bench/{name}");
        take_turns(
            ROUNDS,
            vec![
                Subject::new("ours", || request_us(&[ours.pid()], &url(site.web_port))),
                Subject::new("nginx", || request_us(&nginx_pids, &url(nginx_port))),
                Subject::new("werkzeug", || request_us(&werkzeug_pids, &url(werkzeug_port))),
            ],
        )
    };
    let note = "at most 1.25 × nginx's is at least 0.8 of its requests per second and core; at most 0.02 × werkzeug's";
    vec![
        Row::new("1 KB file, processor time", "µs", cost(SMALL), Target::RatioAtMost(1.25)).noted(note),
        Row::new("1 MB file, processor time", "µs", cost(LARGE), Target::RatioAtMost(1.25)),
    ]
}

/// Returns the processor time of one request under load, over all processes of the server.
fn request_us(pids: &[i32], url: &str) -> f64 {
    let spent_ms = || pids.iter().map(|pid| processor_ms(*pid)).sum::<f64>();
    let before = spent_ms();
    let output = Command::new("wrk").args(["-t1", "-c16", "-d", LOAD, url]).output().expect("wrk");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{url}: {text}");
    let line = text.lines().find(|line| line.contains(" requests in ")).unwrap_or_else(|| panic!("{text}"));
    let requests: f64 = line.split_whitespace().next().expect("a number").parse().expect("a number");
    (spent_ms() - before) * 1e3 / requests
}

/// The file-related part of frappe_docker's template, with one process.
const NGINX: &str = "daemon off; worker_processes 1; user root; pid FOLDER/pid; error_log stderr;
events { worker_connections 4096; }
http { include /etc/nginx/mime.types; access_log off; sendfile on; keepalive_timeout 15; gzip on; gzip_comp_level 5;
gzip_min_length 256; gzip_proxied any; gzip_vary on; gzip_types application/javascript application/json text/css;
server { listen 127.0.0.1:PORT; root SITES; add_header X-Frame-Options SAMEORIGIN always;
add_header X-Content-Type-Options nosniff always; location /assets { try_files $uri =404; } } }";

fn nginx(lab: &Lab, site: &Site, folder: &Path) -> (Started, u16) {
    let port = port::free();
    let text = |path: PathBuf| path.to_str().expect("a plain path").to_owned();
    let config = NGINX
        .replace("FOLDER", &text(folder.to_path_buf()))
        .replace("PORT", &port.to_string())
        .replace("SITES", &text(site.bench.sites()));
    fs::write(folder.join("nginx.conf"), config).expect("nginx.conf");
    let mut command = Command::new("/usr/sbin/nginx");
    let nginx = lab.start(command.arg("-c").arg(folder.join("nginx.conf")));
    wait_for(port);
    (nginx, port)
}

const WERKZEUG: &str = "from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.wrappers import Response
app = SharedDataMiddleware(Response('nothing', status=404), {'/assets': 'ASSETS'})
";

fn werkzeug(lab: &Lab, site: &Site, folder: &Path) -> (Started, u16) {
    let port = port::free();
    let assets = site.bench.sites().join("assets");
    fs::write(folder.join("statics.py"), WERKZEUG.replace("ASSETS", assets.to_str().expect("a plain path")))
        .expect("statics.py");
    let mut command = Command::new(site.bench.path().join("env/bin/gunicorn"));
    command.args(["--bind", &format!("127.0.0.1:{port}"), "--worker-class", "gthread", "--threads", "4"]);
    let werkzeug = lab.start(command.arg("--chdir").arg(folder).arg("statics:app"));
    wait_for(port);
    (werkzeug, port)
}

fn wait_for(port: u16) {
    let path = format!("/assets/frappe/bench/{}", SMALL.0);
    eventually(DEADLINE, &path, || (http::status(port, SITE_NAME, &path) == 200).then_some(()));
}

/// Returns gunicorn's own socket, in the runtime folder of this bench.
fn socket(site: &Site) -> PathBuf {
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

trait Stream: Read + Write + Send {}
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

fn ping_ms(stream: &mut dyn Stream) -> f64 {
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
    Row::new("memory with 1,000 idle connections, PSS", "MB", vec![memory], Target::AtMost(16.0))
        .noted("each got one response; after all the load above")
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
