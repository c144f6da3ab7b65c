//! One gunicorn behind two web ports: ours, and nginx in the shape of the official images.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::stage::{self, SITE};
use crate::support::binary::{LONG, Pod};
use crate::support::recorder::{Recorded, Recorder};
use crate::support::running::Running;
use crate::support::stage::Stage;
use crate::support::wait::eventually;
use crate::support::{http, port};

const CONFIG: &str = include_str!("nginx.conf");
const NGINX: &str = "/usr/sbin/nginx";
/// A server that sends nothing for this long is not going to.
const SILENCE: Duration = Duration::from_secs(5);
/// After an answer: a server that refused a body waits for the client to close.
const SILENCE_AFTER_ANSWER: Duration = Duration::from_millis(1500);

pub struct Both {
    pub ours: u16,
    pub nginx: u16,
    recorder: Recorder,
    _nginx: Running,
    _pod: Pod,
    _stage: Stage,
    _folder: TempDir,
}

/// What came of one connection.
#[derive(Debug)]
pub struct Outcome {
    /// The statuses of the responses, in their order.
    pub statuses: Vec<u16>,
    pub answer: Vec<u8>,
    pub received: Vec<Recorded>,
}

impl Both {
    pub fn start() -> Self {
        let stage = stage::new().set("CLIENT_MAX_BODY_SIZE", "1m");
        let recorder = Recorder::install(&stage.bench);
        let pod = stage.serving();
        write_files(&stage);
        let folder = tempfile::tempdir().expect("a folder");
        let (nginx, nginx_port) = start_nginx(&stage, &pod, folder.path());
        let ours = stage.port;
        Self { ours, nginx: nginx_port, recorder, _nginx: nginx, _pod: pod, _stage: stage, _folder: folder }
    }

    /// Sends bytes to one of the ports.
    pub fn send(&mut self, port: u16, bytes: &[u8]) -> Outcome {
        while self.recorder.next().is_some() {}
        let answer = exchange(port, bytes).unwrap_or_default();
        let mut received = Vec::new();
        while let Some(record) = self.recorder.next() {
            // The probes of the pod.
            if record.target != "/api/method/ping" {
                received.push(record);
            }
        }
        Outcome { statuses: statuses(&answer), answer, received }
    }
}

fn write_files(stage: &Stage) {
    let write = |path: PathBuf, bytes: &[u8]| {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    let assets = stage.bench.path().join("apps/frappe/frappe/public");
    write(assets.join("a.css"), b"a { color: red }");
    write(assets.join("a.js"), b"alert(1)");
    write(assets.join("big.js"), &b"alert(1);\n".repeat(2000));
    let site = stage.bench.sites().join(SITE);
    for (name, bytes) in [
        ("a.txt", &b"0123456789012345678901234567890123456789012345678901234567890123456789"[..]),
        ("A b.png", b"png"),
        ("a.png", b"png"),
        ("a b.txt", b"blank"),
        ("folder/in.txt", b"in"),
        ("page.html", b"<p>"),
        ("page.htm", b"<p>"),
        ("pic.svg", b"<svg/>"),
        ("data.xml", b"<x/>"),
        ("no_ext", b"x"),
        (".hidden", b"hidden"),
        ("empty.txt", b""),
        ("caf\u{e9}.txt", b"coffee"),
    ] {
        write(site.join("public/files").join(name), bytes);
    }
    symlink("../../site_config.json", site.join("public/files/link.txt")).expect("a link");
    write(site.join("private/files/secret.txt"), b"0123456789 secret");
    write(site.join("private/files/p q.txt"), b"blank");
    write(site.join("private/backups/x.sql.gz"), b"dump");
}

fn start_nginx(stage: &Stage, pod: &Pod, folder: &Path) -> (Running, u16) {
    for part in [stage.bench.path(), folder, pod.folder()] {
        let _ = fs::set_permissions(part, fs::Permissions::from_mode(0o755));
    }
    let port = port::free();
    let text = |path: PathBuf| path.to_str().expect("a plain path").to_owned();
    let config = CONFIG
        .replace("FOLDER", &text(folder.to_path_buf()))
        .replace("GUNICORN", &text(gunicorn_socket(&pod.folder().join("run")).expect("gunicorn's socket")))
        .replace("PORT", &port.to_string())
        .replace("SITES", &text(stage.bench.sites()))
        .replace("SITE", SITE);
    fs::write(folder.join("nginx.conf"), config).expect("nginx.conf");
    let nginx =
        Running::spawn(Command::new(NGINX).arg("-c").arg(folder.join("nginx.conf")).arg("-p").arg(folder));
    eventually(LONG, &format!("nginx answers: {}", nginx.log()), || {
        (http::status(port, SITE, "/files/a.txt") == 200).then_some(())
    });
    (nginx, port)
}

fn gunicorn_socket(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() { gunicorn_socket(&path) } else { path.ends_with("gunicorn.sock").then_some(path) }
    })
}

/// Sends bytes, and reads to the end of the connection, or until the server is silent.
fn exchange(port: u16, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    // A server may refuse a request before it has read all of it.
    let _ = stream.write_all(bytes);
    let (mut answer, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let silence = if answer.is_empty() { SILENCE } else { SILENCE_AFTER_ANSWER };
        stream.set_read_timeout(Some(silence))?;
        match stream.read(&mut part) {
            Ok(count) if count > 0 => answer.extend_from_slice(&part[..count]),
            _ => return Ok(answer),
        }
    }
}

fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let found = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
    found.collect()
}
