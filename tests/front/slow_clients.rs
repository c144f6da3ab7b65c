//! Clients that take their time, by malice or by nature, keep nobody else waiting.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::support::binary::LONG;
use crate::support::http;
use crate::support::place::{Place, SITE};
use crate::support::wait::eventually;

/// Both ends of 10,000 connections are in one machine's table, ours in one process's.
const IDLE: usize = 10_000;

fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection")
}

fn private_kb(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a memory map");
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).expect("Pss");
    line.split_whitespace().nth(1).expect("a number").parse().expect("kB")
}

#[test]
fn many_idle_connections_cost_little_and_slow_ones_hold_nobody_up() {
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("a limit");
    let files = hard.min(65_536);
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, files, hard).expect("files");
    let place = Place::new();
    let pod = place.serving();
    let wanted = IDLE.min(files as usize / 3);
    if wanted < IDLE {
        eprintln!(
            "SKIPPED in part: {wanted} connections instead of {IDLE}: no more than {hard} files may be open"
        );
    }
    let before = private_kb(pod.pid());
    let silent: Vec<TcpStream> = (0..wanted).map(|_| connect(place.port)).collect();
    // Slowloris: a head that never ends.
    let mut slow: Vec<TcpStream> = (0..500).map(|_| connect(place.port)).collect();
    for stream in &mut slow {
        write!(stream, "GET / HTTP/1.1\r\nHost: {SITE}\r\nX-Slow: ").expect("half a head");
    }
    assert_eq!(place.get("/api/method/ping"), 200);
    for stream in &mut slow {
        stream.write_all(b"a").expect("a byte");
    }
    assert_eq!(place.get("/assets/assets.json"), 200);
    let each = (private_kb(pod.pid()) - before) * 1024 / (wanted + slow.len()) as u64;
    assert!(each < 8 * 1024, "{each} bytes a connection");
    // They are served when they have something to say.
    let mut last = silent.into_iter().next_back().expect("a connection");
    write!(last, "GET /assets/assets.json HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let mut answer = String::new();
    last.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(http::status(place.port, SITE, "/api/method/ping"), 200);
}

#[test]
fn who_rests_costs_nothing_and_is_served_again() {
    let place = Place::new();
    let pod = place.serving();
    let before = private_kb(pod.pid());
    let ask = |stream: &mut TcpStream| {
        write!(stream, "GET /assets/assets.json HTTP/1.1\r\nHost: {SITE}\r\n\r\n").expect("a request");
        let mut part = [0; 4096];
        let count = stream.read(&mut part).expect("an answer");
        assert!(part.starts_with(b"HTTP/1.1 200") && count > 12);
    };
    let mut clients: Vec<TcpStream> = (0..300).map(|_| connect(place.port)).collect();
    clients.iter_mut().for_each(ask);
    let speaking = private_kb(pod.pid()) - before;
    eventually(LONG, "their buffers are given back", || {
        (private_kb(pod.pid()).saturating_sub(before) < speaking / 2).then_some(())
    });
    clients.iter_mut().for_each(ask);
    // And once more, while it speaks.
    clients.iter_mut().for_each(ask);
    // Half a request is no rest.
    for stream in &mut clients {
        stream.write_all(b"GET /assets/assets.json HTTP/1.1\r\nHo").expect("half a request");
    }
    assert_eq!(place.get("/assets/assets.json"), 200);
    for stream in &mut clients {
        write!(stream, "st: {SITE}\r\n\r\n").expect("the rest");
        let mut part = [0; 4096];
        let count = stream.read(&mut part).expect("an answer");
        assert!(part[..count].starts_with(b"HTTP/1.1 200"));
    }
}
