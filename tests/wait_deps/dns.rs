//! Name resolution, in a network namespace with a name server of the test and a resolv.conf as in Kubernetes.
//!
//! The static binary contains musl's resolver, which gives up where glibc continues: what glibc resolves in the same
//! namespace (`getent ahostsv4`), the binary has to resolve (src/net/resolve.rs).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::name_server::{NXDOMAIN, NameServer, REFUSED, Reply, SERVFAIL, answer};
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
fn a_name_of_the_hosts_file_is_asked_of_nobody() {
    run_in_namespace("dns::inside_a_name_of_the_hosts_file_is_asked_of_nobody");
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

#[test]
#[ignore = "run by a_name_of_the_hosts_file_is_asked_of_nobody in its namespace"]
fn inside_a_name_of_the_hosts_file_is_asked_of_nobody() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "127.0.0.1 redis pg.example.com\n").expect("a hosts file");
    let mounted = Command::new("mount").arg("--bind").arg(file.path()).arg("/etc/hosts").status();
    assert!(mounted.is_ok_and(|status| status.success()), "no hosts file");
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53");
    for name in ["redis", "pg.example.com"] {
        glibc_and_the_binary_resolve(name);
    }
    silent.set_nonblocking(true).expect("a socket");
    assert!(silent.recv_from(&mut [0; 512]).is_err(), "a name server was asked");
    // The control: another name is a question for it.
    WaitDeps::new().set("REDIS_QUEUE", "redis://absent:6379/1").timeout("1s").run().expect(69);
    silent.recv_from(&mut [0; 512]).expect("a query");
}

fn whole(name: &str, is_a: bool) -> Option<Reply> {
    Some(match (name, is_a) {
        ("redis.example.com", true) => Reply::Loopback,
        ("redis.example.com", false) => Reply::Code(0),
        _ => Reply::Code(NXDOMAIN),
    })
}
