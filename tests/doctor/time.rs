//! Whatever hangs, it ends within its time, and at once when it is told to.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::examined::{Examined, Place};

/// Fifteen, and what a busy machine adds.
const WHOLE: Duration = Duration::from_secs(17);
const AT_ONCE: Duration = Duration::from_secs(1);

/// Takes connections and says nothing.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

#[test]
fn servers_that_say_nothing() {
    let place = Place::healthy();
    let (_postgres, postgres) = silent();
    let (_redis, redis) = silent();
    let url = format!("redis://127.0.0.1:{redis}/1");
    let begin = Instant::now();
    let told =
        Examined::from(place.doctor().set("DB_PORT", postgres).set("REDIS_QUEUE", url).run()).exits(69);
    assert!(begin.elapsed() < WHOLE, "{:?}", begin.elapsed());
    let told =
        told.tells("postgres-connection", "error", "").tells("redis-connection", "error", "REDIS_QUEUE");
    told.tells("redis-connection", "ok", "REDIS_CACHE").tells("volume-writable", "ok", "");
}

#[test]
fn a_stop_ends_it_at_once() {
    let place = Place::empty();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let (listener, port) = silent();
        let pod = place.doctor().set("DB_PORT", port).spawn();
        let (mut connection, _) = listener.accept().expect("a connection");
        // It has spoken, and so it waits for an answer.
        connection.read_exact(&mut [0; 8]).expect("a first message");
        pod.signal(signal);
        let ended = pod.end_within(AT_ONCE).exits(code);
        assert_eq!(ended.stdout, "");
    }
}
