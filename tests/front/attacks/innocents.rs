//! Innocent clients: a browser with the desk, a webhook, an upload that fits, and the kubelet's probe.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::attacker::Attack;
use crate::stage::SITE;
use crate::support::binary::{LONG, Pod};
use crate::support::http::{self, Response};
use crate::support::stage::Stage;

const ASSETS_OF_A_PAGE: usize = 30;
const PAGES: usize = 2;
const WEBHOOKS: usize = 20;
const UPLOADS: usize = 2;
const UPLOAD_BYTES: usize = 3 << 20;
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// What the innocents saw.
pub struct Innocents {
    longest_probe: Duration,
    longest_page: Duration,
    uploads_put_off: usize,
}

impl Innocents {
    /// Runs all of them beside an attack.
    pub fn run(stage: &Stage, pod: &Pod, attack: &Attack) -> Self {
        let (port, health, is_over) = (stage.port, pod.health_port(), AtomicBool::new(false));
        thread::scope(|scope| {
            let probe = scope.spawn(|| probe(health, &is_over));
            let clients = (
                scope.spawn(move || (0..PAGES).map(|_| page(port)).max().unwrap_or_default()),
                scope.spawn(move || (0..WEBHOOKS).for_each(|_| webhook(port))),
                scope.spawn(move || (0..UPLOADS).map(|_| upload(port)).sum()),
            );
            let joined = (clients.0.join(), clients.1.join(), clients.2.join());
            is_over.store(true, Ordering::Relaxed);
            let (Ok(longest_page), Ok(()), Ok(uploads_put_off)) = joined else {
                panic!("an innocent client failed beside {attack:?}: {}", pod.log())
            };
            Self { longest_probe: probe.join().expect("/livez"), longest_page, uploads_put_off }
        })
    }
}

impl fmt::Display for Innocents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { longest_probe, longest_page, uploads_put_off } = self;
        write!(f, "/livez within {longest_probe:?}, a page with its assets within {longest_page:?}")?;
        write!(f, ", {uploads_put_off} uploads put off")
    }
}

/// Returns the longest time of an answer.
fn probe(health: u16, is_over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, health));
        let answer = http::get_at(to, "localhost", "/livez", PROBE_DEADLINE).expect("an answer of /livez");
        assert_eq!(answer.status, 200);
        longest = longest.max(begun.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    longest
}

/// A page of Frappe, and the assets of the desk.
fn page(port: u16) -> Duration {
    let begun = Instant::now();
    assert_eq!(http::status(port, SITE, "/api/method/ping"), 200);
    for _ in 0..ASSETS_OF_A_PAGE {
        assert_eq!(http::status(port, SITE, "/assets/assets.json"), 200);
    }
    begun.elapsed()
}

fn webhook(port: u16) {
    let answer = http::post(port, SITE, "/api/method/ping", &[("event", "paid"), ("amount", "12")]);
    let answer = answer.expect("an answer for a webhook");
    assert_eq!(answer.status, 200, "{}", answer.head);
}

/// Uploads until it is accepted; returns how often the client was told to come back later.
fn upload(port: u16) -> usize {
    let (begun, mut put_off) = (Instant::now(), 0);
    loop {
        // A refusal may be lost if it arrives while the body is still being sent.
        match send_file(port) {
            Some(answer) if answer.status == 200 => return put_off,
            Some(answer) if answer.status == 503 => assert!(!answer.header("retry-after").is_empty()),
            Some(answer) => panic!("{}", answer.head),
            None => {}
        }
        put_off += 1;
        assert!(begun.elapsed() < LONG, "an upload was put off {put_off} times");
        thread::sleep(Duration::from_millis(200));
    }
}

fn send_file(port: u16) -> Option<Response> {
    let head = format!(
        "POST /api/method/frappe.sample.count HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\nContent-Type: \
         application/octet-stream\r\nContent-Length: {UPLOAD_BYTES}\r\n\r\n"
    );
    http::request(port, &(head + &"a".repeat(UPLOAD_BYTES)))
}
