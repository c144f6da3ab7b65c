//! How long a page takes while a backup runs on the same machine, compared with the times before it.

use std::net::Ipv4Addr;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::backup_site::ours;
use super::first_answer::first_answer_ns;
use super::front::ping_ms;
use super::lab::{Lab, NEW_SITE, Site};
use super::report::{Row, Target};
use super::samples::Samples;

const REQUESTS: usize = 400;
/// One user's requests: a server that is never idle would measure the processors and not the page.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes a first backup into the repository.
pub fn measure(lab: &Lab, site: &Site, repository: &Path) -> Row {
    let mut web = lab.start(lab.on_site(site, "web").env("GUNICORN_WORKERS", "2"));
    first_answer_ns(&mut web, site.web_port);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, site.web_port)).expect("the front");
    let mut next_ms = || {
        thread::sleep(PAUSE);
        ping_ms(&mut stream)
    };
    let before: Vec<f64> = (0..REQUESTS).map(|_| next_ms()).collect();
    let mut backup = lab.start(&mut ours(lab, site, &["backup"], repository));
    let (mut meanwhile, end) = (Vec::new(), Instant::now() + NEW_SITE);
    while backup.is_running() && Instant::now() < end {
        meanwhile.push(next_ms());
    }
    assert!(meanwhile.len() > REQUESTS / 2, "the backup took only {} requests", meanwhile.len());
    let p95 = |name: &str, values: Vec<f64>| {
        let all = Samples::new(name, values);
        Samples::new(name, vec![all.p95()])
    };
    let requests = meanwhile.len();
    let samples = vec![p95("ours", meanwhile), p95("without it", before)];
    Row::new("ping while a backup runs, p95", "ms", samples, Target::RatioAtMost(1.2))
        .noted(&format!("one client, 20 ms between its requests; {requests} requests meanwhile"))
}
