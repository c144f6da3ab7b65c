//! Files: the web port beside nginx and werkzeug's static middleware.
//!
//! Measured is the processor time for each request (the inverse of requests per second and core), which depends
//! little on the load of the machine; and the bytes that a browser receives when it first opens the desk.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::kernel_account::processor_ms;
use super::lab::{DEADLINE, Lab, SITE_NAME, Site};
use super::nginx::Nginx;
use super::report::{Row, Target};
use super::samples::{Samples, Subject, take_turns};
use super::started::{Started, descendants};
use super::support::wait::eventually;
use super::support::{http, port};

const ROUNDS: usize = 7;
const LOAD: &str = "2s";
pub const SMALL: (&str, usize) = ("small.js", 1_000);
const LARGE: (&str, usize) = ("large.js", 1 << 20);
/// Chromium's.
const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

pub fn measure(lab: &Lab, site: &Site, ours: &Started, nginx: &Nginx) -> Vec<Row> {
    let public = site.bench.path().join("apps/frappe/frappe/public/bench");
    fs::create_dir_all(&public).expect("a folder for assets");
    for (name, bytes) in [SMALL, LARGE] {
        fs::write(public.join(name), vec![b'a'; bytes]).expect("an asset");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (werkzeug, werkzeug_port) = werkzeug(lab, site, folder.path());
    let mut werkzeug_pids = vec![werkzeug.pid()];
    werkzeug_pids.extend(descendants(werkzeug.pid()));
    let nginx_pids = nginx.pids();
    let cost = |(name, _): (&str, usize)| {
        let url = |port: u16| format!("http://127.0.0.1:{port}/assets/frappe/bench/{name}");
        take_turns(
            ROUNDS,
            vec![
                Subject::new("ours", || request_us(&[ours.pid()], &url(site.web_port))),
                Subject::new("nginx", || request_us(&nginx_pids, &url(nginx.port))),
                Subject::new("werkzeug", || request_us(&werkzeug_pids, &url(werkzeug_port))),
            ],
        )
    };
    vec![
        Row::new("1 KB file, processor time", "µs", cost(SMALL), Target::RatioAtMost(1.6)),
        Row::new("1 MB file, processor time", "µs", cost(LARGE), Target::RatioAtMost(3.0)),
        first_load(lab, site, nginx, &public),
    ]
}

/// The bytes of the first visit: scripts and styles, compressed as in an image.
fn first_load(lab: &Lab, site: &Site, nginx: &Nginx, public: &Path) -> Row {
    let names = scripts_and_styles(public);
    let mut compress = lab.start(
        Command::new(lab.binary()).args(["assets", "compress"]).env("CAULDRON_BENCH", site.bench.path()),
    );
    compress.end_ns();
    let received = |port: u16| {
        let kilobytes = names.iter().map(|name| received_bytes(port, name)).sum::<usize>() as f64 / 1e3;
        vec![kilobytes]
    };
    let original: u64 = names.iter().map(|name| fs::metadata(public.join(name)).expect("a file").len()).sum();
    let samples =
        vec![Samples::new("ours", received(site.web_port)), Samples::new("nginx", received(nginx.port))];
    Row::new("first visit of scripts and styles, on the wire", "kB", samples, Target::RatioAtMost(0.9))
        .noted(&format!("{} files of {} kB", names.len(), original / 1000))
}

/// Copies the scripts and styles of the packages of the bench's node: they are what the bundles of the desk are made of.
fn scripts_and_styles(public: &Path) -> Vec<String> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sample-bench/node/node_modules");
    let (mut folders, mut names) = (vec![packages], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("packages of the sample bench").flatten() {
            let path = entry.path();
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if matches!(extension, "js" | "css")
                && entry.metadata().is_ok_and(|data| data.len() > 10_000)
            {
                let name = format!("first-visit-{}.{extension}", names.len());
                fs::copy(&path, public.join(&name)).expect("a copy");
                names.push(name);
            }
        }
    }
    assert!(!names.is_empty(), "no scripts; run tests/sample-bench/prepare");
    names
}

fn received_bytes(port: u16, name: &str) -> usize {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a server");
    let path = format!("/assets/frappe/bench/{name}");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {SITE_NAME}\r\nConnection: close\r\nAccept-Encoding: {ACCEPT_ENCODING}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}");
    answer.len()
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
