//! A name server of the test.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

pub const SERVFAIL: u8 = 2;
pub const NXDOMAIN: u8 = 3;
pub const REFUSED: u8 = 5;

/// A reply to one query.
pub enum Reply {
    /// The address 127.0.0.1.
    Loopback,
    /// No address, and this response code (RFC 1035, 4.1.1).
    Code(u8),
    /// An empty answer with the bit that says so (TC).
    Truncated,
}

/// A name server on 127.0.0.1.
pub struct NameServer {
    pub queries: Arc<AtomicU32>,
    /// False answers every query with NXDOMAIN.
    pub resolves: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl NameServer {
    /// Answers A queries for the given names with 127.0.0.1 and all others with NXDOMAIN.
    pub fn start(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Self::replying(move |name, is_a| {
            let is_known = names.iter().any(|known| known == name);
            Some(match (is_known, is_a) {
                (true, true) => Reply::Loopback,
                (true, false) => Reply::Code(0),
                (false, _) => Reply::Code(NXDOMAIN),
            })
        })
    }

    /// Answers by a rule of name and type; `None` answers nothing.
    pub fn replying(rule: impl Fn(&str, bool) -> Option<Reply> + Send + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53");
        let (queries, resolves) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(true)));
        let (counted, is_on) = (queries.clone(), resolves.clone());
        let thread = thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if length == 0 {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let rule = |name: &str, is_a| {
                    if is_on.load(Ordering::Relaxed) { rule(name, is_a) } else { Some(Reply::Code(NXDOMAIN)) }
                };
                if let Some(reply) = answer(&packet[..length], &rule) {
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        Self { queries, resolves, thread }
    }

    /// Frees the port.
    pub fn stop(self) {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        client.send_to(&[], (Ipv4Addr::LOCALHOST, 53)).expect("a name server");
        self.thread.join().expect("a name server");
    }
}

/// The reply to a query by a rule; `None` for no reply.
pub fn answer(query: &[u8], rule: &dyn Fn(&str, bool) -> Option<Reply>) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let end = at + 1 + query[at] as usize;
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    let is_a = query[at + 1..at + 3] == [0, 1];
    let (code, has_address, truncated) = match rule(&labels.join("."), is_a)? {
        Reply::Loopback => (0, true, 0),
        Reply::Code(code) => (code, false, 0),
        Reply::Truncated => (0, false, 2),
    };
    let mut reply = query[..at + 5].to_vec();
    // A response with recursion available.
    reply[2] = 0x81 | truncated;
    reply[3] = 0x80 | code;
    reply[6..12].copy_from_slice(&[0, u8::from(has_address), 0, 0, 0, 0]);
    if has_address {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    Some(reply)
}
