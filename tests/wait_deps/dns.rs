//! Name resolution, in a network namespace with a name server of the test and a resolv.conf as in Kubernetes.
//!
//! The static binary contains musl's resolver, which has its own rules for `search` and `ndots`; these tests cover
//! them.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::support::redis::Redis;
use crate::support::skip::skipped;
use crate::term::ends_at_once;
use crate::waiting::WaitDeps;

const RESOLV_CONF: &str = "nameserver 127.0.0.1\n\
    search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n";

/// Runs a test in its own namespaces, so that it has its own `/etc/resolv.conf` and port 53.
fn run_in_namespace(test: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let resolv_conf = folder.path().join("resolv.conf");
    std::fs::write(&resolv_conf, RESOLV_CONF).expect("resolv.conf");
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--map-root-user", "sh", "-c", script, "sh"]);
        command.arg(&resolv_conf).arg(std::env::current_exe().expect("this test")).arg(test);
        command.stdin(Stdio::null());
        command
    };
    const ENTER: &str = "mount --bind \"$1\" /etc/resolv.conf && ip link set lo up";
    let permitted = unshare(ENTER).output().is_ok_and(|output| output.status.success());
    if !permitted {
        skipped(test, "namespaces are not permitted here (unshare --net --mount --map-root-user)");
        return;
    }
    let script = format!("{ENTER} && exec \"$2\" --exact \"$3\" --ignored --nocapture --test-threads=1");
    let output = unshare(&script).output().expect("unshare runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn kubernetes_names_resolve() {
    run_in_namespace("dns::inside_kubernetes_names_resolve");
}

#[test]
fn a_name_that_appears_late_is_waited_for() {
    run_in_namespace("dns::inside_a_name_that_appears_late_is_waited_for");
}

#[test]
fn term_is_honoured_while_dns_hangs() {
    run_in_namespace("dns::inside_term_is_honoured_while_dns_hangs");
}

#[test]
#[ignore = "run by kubernetes_names_resolve in its namespace"]
fn inside_kubernetes_names_resolve() {
    let dns = NameServer::start(&[
        "redis.shop.svc.cluster.local",
        "redis.other.svc.cluster.local",
        "redis.example.com",
    ]);
    let server = Redis::start();
    for name in
        ["redis", "redis.other", "redis.other.svc", "redis.shop.svc.cluster.local", "redis.example.com"]
    {
        let url = format!("redis://{name}:{}/1", server.port());
        WaitDeps::new().set("REDIS_QUEUE", url).timeout("10s").run().expect(0);
    }
    assert!(dns.queries.load(Ordering::Relaxed) > 0, "the test's name server got no query");
}

#[test]
#[ignore = "run by a_name_that_appears_late_is_waited_for in its namespace"]
fn inside_a_name_that_appears_late_is_waited_for() {
    let dns = NameServer::start(&["redis.shop.svc.cluster.local"]);
    dns.resolves.store(false, Ordering::Relaxed);
    let server = Redis::start();
    let url = format!("redis://redis:{}/1", server.port());
    let waiting = WaitDeps::new().set("REDIS_QUEUE", &url).start();
    waiting.until_it_waits_for("redis_queue", "dns");
    dns.resolves.store(true, Ordering::Relaxed);
    waiting.end().expect(0);
    dns.resolves.store(false, Ordering::Relaxed);
    WaitDeps::new().set("REDIS_QUEUE", &url).timeout("2s").run().expect(69).reports(
        "redis_queue",
        "not_yet",
        "dns",
        "namespace",
    );
}

#[test]
#[ignore = "run by term_is_honoured_while_dns_hangs in its namespace"]
fn inside_term_is_honoured_while_dns_hangs() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53");
    let waiting = WaitDeps::new().set("DB_HOST", "postgres").start();
    // It has sent a query, so it waits for an answer.
    silent.recv_from(&mut [0; 512]).expect("a query");
    ends_at_once(waiting, Signal::SIGTERM, 143);
}

/// Answers A queries for the given names with 127.0.0.1 and all others with NXDOMAIN.
struct NameServer {
    queries: Arc<AtomicU32>,
    /// False answers every query with NXDOMAIN.
    resolves: Arc<AtomicBool>,
}

impl NameServer {
    fn start(names: &[&str]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53");
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let (queries, resolves) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(true)));
        let server = Self { queries: queries.clone(), resolves: resolves.clone() };
        thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                queries.fetch_add(1, Ordering::Relaxed);
                let resolves = resolves.load(Ordering::Relaxed);
                let answer = answer(&packet[..length], &|name| resolves && names.iter().any(|n| n == name));
                let _ = socket.send_to(&answer, from);
            }
        });
        server
    }
}

fn answer(query: &[u8], is_known: &dyn Fn(&str) -> bool) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let end = at + 1 + query[at] as usize;
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    let is_a = query[at + 1..at + 3] == [0, 1];
    let known = is_known(&labels.join("."));
    let mut reply = query[..at + 5].to_vec();
    // A response with recursion available; NXDOMAIN for an unknown name.
    reply[2] = 0x81;
    reply[3] = if known { 0x80 } else { 0x83 };
    let answers = u8::from(known && is_a);
    reply[6..12].copy_from_slice(&[0, answers, 0, 0, 0, 0]);
    if answers == 1 {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    reply
}
