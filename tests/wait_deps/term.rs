//! TERM ends the wait at once in every state. `wait-for-it` and a loop in bash ignore it
//! (docs/hazards.md#lost-stop-signal).

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};

use crate::support::port;
use crate::waiting::{WaitDeps, Waiting};

/// Much longer than a stop takes, and much shorter than any timeout that could end the wait.
const AT_ONCE: Duration = Duration::from_secs(1);

#[track_caller]
pub fn ends_at_once(waiting: Waiting, signal: Signal, code: i32) {
    waiting.signal(signal);
    let ended = waiting.end_within(AT_ONCE).expect(code);
    assert_eq!(ended.report()["ok"], false);
}

fn at(port: u16) -> WaitDeps {
    WaitDeps::new().set("DB_HOST", "127.0.0.1").set("DB_PORT", port.to_string()).set("DB_USER", "postgres")
}

#[test]
fn between_two_tries() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGQUIT, 131)] {
        let waiting = at(port::free()).start();
        waiting.until_it_waits_for("postgres", "tcp");
        ends_at_once(waiting, signal, code);
    }
}

#[test]
fn while_a_server_accepts_and_sends_nothing() {
    for mode in ["disable", "prefer"] {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let port = silent.local_addr().expect("an address").port();
        let waiting = at(port).set("DB_SSLMODE", mode).start();
        // The program has sent a message, so it waits for an answer.
        let (mut connection, _) = silent.accept().expect("a connection");
        connection.read_exact(&mut [0; 8]).expect("a first message");
        ends_at_once(waiting, Signal::SIGTERM, 143);
    }
}

#[test]
fn while_redis_accepts_and_sends_nothing() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = silent.local_addr().expect("an address").port();
    let waiting = WaitDeps::new().set("REDIS_QUEUE", format!("redis://127.0.0.1:{port}/1")).start();
    let (mut connection, _) = silent.accept().expect("a connection");
    connection.read_exact(&mut [0; 8]).expect("a first message");
    ends_at_once(waiting, Signal::SIGTERM, 143);
}

#[test]
fn while_packets_are_dropped() {
    let hole = BlackHole::start();
    let waiting = at(hole.port).start();
    hole.until_it_drops_a_syn(waiting.pid());
    ends_at_once(waiting, Signal::SIGTERM, 143);
}

/// Negative control of the tests above: the connection does hang, and is reported differently from a refusal.
#[test]
fn dropped_packets_are_distinguished_from_a_refusal() {
    let hole = BlackHole::start();
    at(hole.port).timeout("1s").run().expect(69).reports("postgres", "not_yet", "tcp", "network policies");
}

/// A listener with a full queue: the kernel drops every further SYN.
struct BlackHole {
    port: u16,
    _listener: OwnedFd,
    _filling: Vec<TcpStream>,
}

impl BlackHole {
    fn start() -> Self {
        let listener =
            socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
        bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("a port");
        listen(&listener, Backlog::new(0).expect("a backlog")).expect("a listener");
        let port = getsockname::<SockaddrIn>(listener.as_raw_fd()).expect("an address").port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut filling = Vec::new();
        while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            assert!(filling.len() < 16, "the queue never fills");
            filling.push(connection);
        }
        Self { port, _listener: listener, _filling: filling }
    }

    /// Waits until that process has a connection in SYN_SENT.
    fn until_it_drops_a_syn(&self, pid: u32) {
        let remote = format!("0100007F:{:04X} 02", self.port);
        crate::support::wait::eventually(Duration::from_secs(10), "a SYN is sent", || {
            std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?.contains(&remote).then_some(())
        });
    }
}
