//! Timeouts: `doctor` ends in time, whatever hangs, and at once on a stop signal.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::examined::Examined;
use crate::stage::{self, doctor};

/// 15 s, and a margin for a busy machine.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(17);
const AT_ONCE: Duration = Duration::from_secs(1);

/// A listener that accepts connections and sends nothing.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

#[test]
fn servers_that_do_not_answer() {
    let stage = stage::healthy();
    let (_postgres, postgres) = silent();
    let (_redis, redis) = silent();
    let url = format!("redis://127.0.0.1:{redis}/1");
    let begin = Instant::now();
    let report =
        Examined::from(doctor(&stage).set("DB_PORT", postgres).set("REDIS_QUEUE", url).run()).exits(69);
    assert!(begin.elapsed() < TOTAL_TIMEOUT, "{:?}", begin.elapsed());
    let report = report.reports("postgres-connection", "error", "").reports(
        "redis-connection",
        "error",
        "REDIS_QUEUE",
    );
    report.reports("redis-connection", "ok", "REDIS_CACHE").reports("volume-writable", "ok", "");
}

#[test]
fn a_stop_signal_ends_it_at_once() {
    let stage = stage::empty();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let (listener, port) = silent();
        let pod = doctor(&stage).set("DB_PORT", port).spawn();
        let (mut connection, _) = listener.accept().expect("a connection");
        // The first message was sent, so `doctor` now waits for an answer.
        connection.read_exact(&mut [0; 8]).expect("a first message");
        pod.signal(signal);
        let ended = pod.end_within(AT_ONCE).exits(code);
        assert_eq!(ended.stdout, "");
    }
}
