//! Name resolution, in a network namespace with a name server of the test and a resolv.conf as in Kubernetes.
//!
//! The static binary contains musl's resolver, which gives up where glibc continues: what glibc resolves in the same
//! namespace (`getent ahostsv4`), the binary has to resolve (src/net/resolve.rs).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
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
    run_with(test, RESOLV_CONF);
}

fn run_with(test: &str, configuration: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let resolv_conf = folder.path().join("resolv.conf");
    std::fs::write(&resolv_conf, configuration).expect("resolv.conf");
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--map-root-user", "sh", "-c", script, "sh"]);
        command.arg(&resolv_conf).arg(std::env::current_exe().expect("this test")).arg(test);
        command.stdin(Stdio::null());
        command
    };
    // glibc looks up no IPv4 address on a machine that has none beside loopback (AI_ADDRCONFIG).
    const ENTER: &str =
        "mount --bind \"$1\" /etc/resolv.conf && ip link set lo up && ip address add 192.0.2.1/32 dev lo";
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
fn a_search_domain_that_fails_is_passed_over() {
    run_in_namespace("dns::inside_a_search_domain_that_fails_is_passed_over");
}

#[test]
fn a_server_that_refuses_ipv6_is_asked_for_ipv4() {
    run_in_namespace("dns::inside_a_server_that_refuses_ipv6_is_asked_for_ipv4");
}

#[test]
fn a_dead_first_server_is_passed_over() {
    let configuration = format!("nameserver 127.0.0.2\n{RESOLV_CONF} timeout:1\n");
    run_with("dns::inside_a_dead_first_server_is_passed_over", &configuration);
}

#[test]
fn a_truncated_answer_is_asked_for_again_over_tcp() {
    run_in_namespace("dns::inside_a_truncated_answer_is_asked_for_again_over_tcp");
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

/// glibc resolves the name, and so does the binary: it connects to the Redis that the name leads to.
#[track_caller]
fn glibc_and_the_binary_resolve(name: &str) {
    let getent = Command::new("getent").args(["ahostsv4", name]).output().expect("getent runs");
    assert!(
        String::from_utf8_lossy(&getent.stdout).contains("127.0.0.1"),
        "glibc does not resolve {name}: {getent:?}"
    );
    let server = Redis::start();
    let url = format!("redis://{name}:{}/1", server.port());
    WaitDeps::new().set("REDIS_QUEUE", url).timeout("30s").run().expect(0);
}

#[test]
#[ignore = "run by a_search_domain_that_fails_is_passed_over in its namespace"]
fn inside_a_search_domain_that_fails_is_passed_over() {
    let _dns = NameServer::replying(|name, is_a| match name {
        "redis.example.com" | "redis.cluster.local" if is_a => Some(Reply::Loopback),
        "redis.example.com" | "redis.cluster.local" => Some(Reply::Code(0)),
        _ if name.ends_with("svc.cluster.local") => Some(Reply::Code(SERVFAIL)),
        _ => Some(Reply::Code(NXDOMAIN)),
    });
    for name in ["redis.example.com", "redis"] {
        glibc_and_the_binary_resolve(name);
    }
    // Negative control: a name that no candidate has.
    let url = "redis://absent.example.com:6379/1";
    WaitDeps::new().set("REDIS_QUEUE", url).timeout("1s").run().expect(69);
}

#[test]
#[ignore = "run by a_server_that_refuses_ipv6_is_asked_for_ipv4 in its namespace"]
fn inside_a_server_that_refuses_ipv6_is_asked_for_ipv4() {
    for code in [SERVFAIL, REFUSED] {
        let dns = NameServer::replying(move |name, is_a| match (name, is_a) {
            ("redis.example.com", true) => Some(Reply::Loopback),
            (_, true) => Some(Reply::Code(NXDOMAIN)),
            (_, false) => Some(Reply::Code(code)),
        });
        glibc_and_the_binary_resolve("redis.example.com");
        dns.stop();
    }
}

#[test]
#[ignore = "run by a_dead_first_server_is_passed_over in its namespace"]
fn inside_a_dead_first_server_is_passed_over() {
    let _dead = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), 53)).expect("port 53");
    let _dns = NameServer::start(&["redis.example.com"]);
    glibc_and_the_binary_resolve("redis.example.com");
}

#[test]
#[ignore = "run by a_truncated_answer_is_asked_for_again_over_tcp in its namespace"]
fn inside_a_truncated_answer_is_asked_for_again_over_tcp() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53");
    let over_tcp = Arc::new(AtomicU32::new(0));
    let counted = over_tcp.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut query).expect("a query");
                let reply = answer(&query, &whole).expect("a reply");
                let length = u16::try_from(reply.len()).expect("short").to_be_bytes();
                stream.write_all(&[&length[..], &reply].concat()).expect("a client that waits");
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let _dns = NameServer::replying(|name, is_a| match whole(name, is_a) {
        Some(Reply::Loopback) => Some(Reply::Truncated),
        other => other,
    });
    glibc_and_the_binary_resolve("redis.example.com");
    assert!(over_tcp.load(Ordering::Relaxed) > 1, "glibc and the binary both asked over TCP");
}

fn whole(name: &str, is_a: bool) -> Option<Reply> {
    Some(match (name, is_a) {
        ("redis.example.com", true) => Reply::Loopback,
        ("redis.example.com", false) => Reply::Code(0),
        _ => Reply::Code(NXDOMAIN),
    })
}

const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
const REFUSED: u8 = 5;

/// A reply to one query.
enum Reply {
    /// The address 127.0.0.1.
    Loopback,
    /// No address, and this response code (RFC 1035, 4.1.1).
    Code(u8),
    /// An empty answer with the bit that says so (TC).
    Truncated,
}

/// A name server on 127.0.0.1.
struct NameServer {
    queries: Arc<AtomicU32>,
    /// False answers every query with NXDOMAIN.
    resolves: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl NameServer {
    /// Answers A queries for the given names with 127.0.0.1 and all others with NXDOMAIN.
    fn start(names: &[&str]) -> Self {
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
    fn replying(rule: impl Fn(&str, bool) -> Option<Reply> + Send + 'static) -> Self {
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
    fn stop(self) {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        client.send_to(&[], (Ipv4Addr::LOCALHOST, 53)).expect("a name server");
        self.thread.join().expect("a name server");
    }
}

fn answer(query: &[u8], rule: &dyn Fn(&str, bool) -> Option<Reply>) -> Option<Vec<u8>> {
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
