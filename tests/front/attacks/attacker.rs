//! Attackers: one thread that keeps many connections open, and replaces those that the server ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use crate::stage::SITE;
use crate::support::binary::LONG;
use crate::support::h2;
use crate::support::wait::eventually;

const PACE: Duration = Duration::from_millis(50);
const BIG: &str = "/files/big.bin";

#[derive(Clone, Copy, Debug)]
pub enum Attack {
    /// They send nothing.
    IdleConnections(usize),
    /// A byte of a header at a time.
    SlowHeads(usize),
    /// A byte of a body of this size at a time, after the bytes that are sent at once.
    SlowBodies { count: usize, bytes: usize, at_once: usize },
    /// They read nothing of a response.
    SlowReaders(usize),
    /// Each with 20 responses and the largest window.
    SlowHttp2Readers(usize),
    /// As fast as the server takes them.
    Uploads { count: usize, bytes: usize },
    /// A request, and a reset somewhere in it.
    Resets(usize),
}

impl Attack {
    pub fn connections(self) -> usize {
        match self {
            Self::IdleConnections(count)
            | Self::SlowHeads(count)
            | Self::SlowBodies { count, .. }
            | Self::SlowReaders(count)
            | Self::SlowHttp2Readers(count)
            | Self::Resets(count)
            | Self::Uploads { count, .. } => count,
        }
    }

    fn open(self, port: u16, number: usize) -> std::io::Result<Client> {
        if let Self::SlowHttp2Readers(_) = self {
            return Ok(Client {
                stream: h2::with_requests(port, SITE, BIG, 20, h2::MAX_WINDOW),
                unsent: Vec::new(),
            });
        }
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        let post = |bytes: usize| {
            format!(
                "POST /api/method/frappe.sample.count HTTP/1.1\r\nHost: {SITE}\r\nContent-Length: {bytes}\r\n\r\n"
            )
        };
        let unsent = match self {
            Self::IdleConnections(_) | Self::SlowHttp2Readers(_) => Vec::new(),
            Self::SlowHeads(_) => format!("GET / HTTP/1.1\r\nHost: {SITE}\r\nX-Slow: ").into_bytes(),
            Self::SlowBodies { bytes, at_once, .. } => (post(bytes) + &"a".repeat(at_once)).into_bytes(),
            Self::SlowReaders(_) => format!("GET {BIG} HTTP/1.1\r\nHost: {SITE}\r\n\r\n").into_bytes(),
            Self::Uploads { bytes, .. } => post(bytes).into_bytes(),
            Self::Resets(_) => {
                resets_on_close(&stream);
                let request = http1_request();
                request[..number % request.len()].to_vec()
            }
        };
        stream.set_nonblocking(true)?;
        let mut client = Client { stream, unsent };
        client.send_first()?;
        Ok(client)
    }

    /// Goes on with a connection; an error if it has ended.
    fn go_on(self, client: &mut Client) -> std::io::Result<()> {
        client.send_first()?;
        if !client.unsent.is_empty() {
            return Ok(());
        }
        let stream = &mut client.stream;
        let sent = match self {
            Self::SlowHeads(_) | Self::SlowBodies { .. } => stream.write(b"a"),
            Self::Uploads { .. } => stream.write(&[b'u'; 64 * 1024]),
            Self::Resets(_) => return Err(ErrorKind::ConnectionReset.into()),
            Self::IdleConnections(_) => stream.read(&mut [0; 64]).and_then(not_ended),
            Self::SlowReaders(_) | Self::SlowHttp2Readers(_) => stream.peek(&mut [0; 1]).and_then(not_ended),
        };
        match sent {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

struct Client {
    stream: TcpStream,
    /// What it sends as fast as the server takes it.
    unsent: Vec<u8>,
}

impl Client {
    fn send_first(&mut self) -> std::io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn not_ended(count: usize) -> std::io::Result<usize> {
    if count == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
}

pub struct Attackers {
    attack: Attack,
    is_over: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Attackers {
    pub fn start(port: u16, attack: Attack) -> Self {
        let (is_over, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (over, count) = (is_over.clone(), opened.clone());
        let thread = thread::spawn(move || {
            let mut clients: Vec<Client> = Vec::new();
            while !over.load(Ordering::Relaxed) {
                clients.retain_mut(|client| attack.go_on(client).is_ok());
                while clients.len() < attack.connections() && !over.load(Ordering::Relaxed) {
                    let Ok(client) = attack.open(port, count.load(Ordering::Relaxed)) else { break };
                    clients.push(client);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(PACE);
            }
        });
        Self { attack, is_over, opened, thread }
    }

    /// Waits until all of them are connected.
    pub fn have_begun(&self) {
        let all = self.attack.connections();
        eventually(LONG, "attackers", || (self.opened.load(Ordering::Relaxed) >= all).then_some(()));
    }

    /// Ends the attack.
    pub fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("attackers");
    }
}

pub fn http1_request() -> Vec<u8> {
    let head = format!(
        "POST /api/method/ping HTTP/1.1\r\nHost: {SITE}\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    (head + "5\r\na=b&c\r\n3\r\n=de\r\n0\r\n\r\n").into_bytes()
}

pub fn http2_request() -> Vec<u8> {
    let mut bytes = h2::client_preface(65_535);
    bytes.extend(h2::request(1, "POST", SITE, "/api/method/ping", true));
    bytes.extend(h2::frame(0, 1, 1, b"a=b&c=de"));
    bytes.extend(h2::request(3, "GET", SITE, "/api/method/ping", false));
    bytes
}

fn resets_on_close(stream: &TcpStream) {
    setsockopt(stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).expect("an option");
}

/// Sends bytes, then resets the connection.
pub fn reset_after(port: u16, bytes: &[u8]) {
    reset_after_reading(port, bytes, 0);
}

/// Sends bytes, reads this many, then resets the connection.
pub fn reset_after_reading(port: u16, bytes: &[u8], read: usize) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a deadline");
    let _ = stream.write_all(bytes);
    let _ = stream.read_exact(&mut vec![0; read]);
    resets_on_close(&stream);
}
