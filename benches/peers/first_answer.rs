//! Requests a page of a site repeatedly until the site answers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::clock::now_ns;
use super::lab::{DEADLINE, SITE_NAME};
use super::started::Started;

/// Small compared with the measured times, and long enough to leave the processors to the starting programs.
const PAUSE: Duration = Duration::from_micros(500);

/// Returns the time of the first 200 for a ping.
#[track_caller]
pub fn first_answer_ns(server: &mut Started, port: u16) -> u64 {
    let end = Instant::now() + DEADLINE;
    loop {
        if is_served(port) {
            return now_ns();
        }
        assert!(server.is_running(), "it ended before it served; see target/bench.log");
        assert!(Instant::now() < end, "nothing served within {DEADLINE:?}; see target/bench.log");
        thread::sleep(PAUSE);
    }
}

fn is_served(port: u16) -> bool {
    ping(port).is_some_and(|status| status.starts_with(b"HTTP/1.1 200 "))
}

/// Returns the beginning of a response, up to its status.
fn ping(port: u16) -> Option<[u8; 13]> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let request = format!(
        "GET /api/method/ping HTTP/1.1\r\nHost: {SITE_NAME}\r\nX-Frappe-Site-Name: {SITE_NAME}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut status = [0; 13];
    stream.read_exact(&mut status).ok()?;
    Some(status)
}
