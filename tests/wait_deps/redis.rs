//! Redis: late start, loading, password, ACL, TLS, and settings that will lose jobs.

use std::thread;

use crate::support::ca::Ca;
use crate::support::port;
use crate::support::redis::{Options, Redis};
use crate::waiting::WaitDeps;

const SPECIAL_CHARACTERS: &str = "p@ss/w#rd? %41'\"canary";

fn queue(url: &str) -> WaitDeps {
    WaitDeps::new().set("REDIS_QUEUE", url)
}

#[test]
fn waits_for_a_server_that_starts_late() {
    let mut server = Redis::start();
    server.stop();
    let waiting = queue(&server.url(1)).start();
    waiting.until_it_waits_for("redis_queue", "tcp");
    server.start_again();
    waiting.end().expect(0);
}

#[test]
fn one_server_for_cache_and_queue_is_two_dependencies() {
    let server = Redis::start();
    let ended = queue(&server.url(1)).set("REDIS_CACHE", server.url(0)).run().expect(0);
    assert_eq!(ended.report()["dependencies"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_charts_host_and_port_work() {
    let server = Redis::start();
    WaitDeps::new()
        .set("REDIS_CACHE_HOST", "127.0.0.1")
        .set("REDIS_QUEUE_HOST", "localhost")
        .set("REDIS_SOCKETIO_HOST", "127.0.0.1")
        .set("REDIS_PORT", server.port().to_string())
        .run()
        .expect(0);
}

#[test]
fn a_password_works_and_is_never_shown() {
    let server = Redis::start_with(Options::default().password(SPECIAL_CHARACTERS));
    let ended = queue(&server.url(1)).run().expect(0);
    assert!(!ended.log.contains("canary"), "{}", ended.log);
    let bare = format!("redis://127.0.0.1:{}/1", server.port());
    queue(&bare).run().expect(77).reports("redis_queue", "never", "login", "REDIS_QUEUE");
    let wrong = format!("redis://:canary-wrong@127.0.0.1:{}/1", server.port());
    let ended = queue(&wrong).timeout("2s").run().expect(77);
    let ended = ended.reports("redis_queue", "never", "login", "REDIS_QUEUE");
    assert!(!ended.log.contains("canary"), "{}", ended.log);
}

#[test]
fn a_password_may_be_set_late() {
    let server = Redis::start_with(Options::default().password("old"));
    let waiting = queue(&format!("redis://:new@127.0.0.1:{}/1", server.port())).start();
    waiting.until_it_waits_for("redis_queue", "login");
    let _: String = server.ask(0, &["CONFIG", "SET", "requirepass", "new"]);
    waiting.end().expect(0);
}

#[test]
fn an_acl_user_works_and_needs_its_commands() {
    let server = Redis::start_with(
        Options::default().user("frappe", SPECIAL_CHARACTERS).setting("user poor on >poor ~* -@all +get"),
    );
    queue(&server.url(1)).run().expect(0);
    let poor = format!("redis://poor:poor@127.0.0.1:{}/0", server.port());
    queue(&poor).run().expect(77).reports("redis_queue", "never", "login", "ACL SETUSER");
}

#[test]
fn tls_is_verified() {
    let ca = Ca::new();
    let root = ca.root();
    let server = Redis::start_with(Options::default().tls(ca).password("p"));
    queue(&server.url(1)).set("REDIS_TLS_CA", server.ca().expect("a CA")).run().expect(0);
    // redis-py's parameters, in the one URL that all clients use.
    queue(&format!("{}?ssl_ca_certs={}", server.url(1), root.display())).run().expect(0);
    queue(&format!("{}?ssl_cert_reqs=none", server.url(1))).run().expect(78);
    let absent = format!("{}?ssl_ca_certs=/absent/ca.pem", server.url(1));
    queue(&absent).run().expect(78).reports("redis_queue", "never", "tls", "unset ssl_ca_certs");
    let other = Ca::new();
    queue(&server.url(1)).set("REDIS_TLS_CA", other.root()).run().expect(78).reports(
        "redis_queue",
        "never",
        "tls",
        "REDIS_TLS_CA",
    );
    let clear = format!("redis://:p@127.0.0.1:{}/1", server.port());
    queue(&clear).timeout("2s").run().expect(69).reports("redis_queue", "not_yet", "login", "rediss://");
}

#[test]
fn a_unix_socket_works_with_its_parameters() {
    let server = Redis::start_with(Options::default().password("p"));
    queue(&format!("unix://{}?db=1&password=p", server.socket().display())).run().expect(0);
    queue("unix:///no/such.sock").timeout("2s").run().expect(69).reports(
        "redis_queue",
        "not_yet",
        "tcp",
        "mounted",
    );
}

#[test]
fn waits_for_a_redis_that_is_loading() {
    // One millisecond per key, and network events are processed after each KB.
    let mut server = Redis::start_with(
        Options::default()
            .setting("enable-debug-command yes")
            .setting("key-load-delay 1000")
            .setting("loading-process-events-interval-bytes 1024"),
    );
    let _: () = server.ask(0, &["DEBUG", "POPULATE", "3000", "key", "100"]);
    let _: () = server.ask(0, &["SAVE"]);
    server.kill_9();
    let url = server.url(1);
    let starting = thread::spawn(move || {
        server.start_again();
        server
    });
    let waiting = queue(&url).start();
    waiting.until_it_waits_for("redis_queue", "login");
    let _server = starting.join().expect("Redis has loaded");
    let ended = waiting.end().expect(0);
    assert!(ended.log.contains("LOADING"), "{}", ended.log);
}

#[test]
fn a_database_number_out_of_range_is_reported() {
    let server = Redis::start();
    queue(&server.url(99)).run().expect(78).reports("redis_queue", "never", "database", "databases");
}

#[test]
fn settings_that_will_lose_jobs_give_warnings() {
    let evicting = Redis::start_with(
        Options::default().setting("maxmemory 50mb").setting("maxmemory-policy allkeys-lru"),
    );
    let ended = queue(&evicting.url(1)).set("REDIS_CACHE", evicting.url(0)).run().expect(0);
    assert!(ended.warnings("redis_queue").contains("evicts (allkeys-lru)"), "{}", ended.log);
    assert_eq!(ended.warnings("redis_cache"), "[]", "a cache may evict");
    let replica = Options::default().setting(&format!("replicaof 127.0.0.1 {}", evicting.port()));
    let replica = Redis::start_with(replica.setting("replica-read-only no"));
    let ended = queue(&replica.url(1)).run().expect(0);
    assert!(ended.warnings("redis_queue").contains("replica"), "{}", ended.log);
    let cluster = Redis::start_with(Options::default().setting("cluster-enabled yes"));
    let ended = queue(&cluster.url(0)).run().expect(0);
    assert!(ended.warnings("redis_queue").contains("cluster"), "{}", ended.log);
    queue(&cluster.url(1)).run().expect(78).reports("redis_queue", "never", "database", "cluster");
}

/// It answers every PING, and Frappe would fail at its first write.
#[test]
fn waits_for_a_redis_that_takes_no_writes() {
    let absent = port::free().to_string();
    let cases: [(&str, &[&str], &[&str], &str); 3] = [
        (
            "maxmemory 1kb",
            &["CONFIG", "SET", "maxmemory", "0"],
            &["CONFIG", "SET", "maxmemory", "1kb"],
            "maxmemory",
        ),
        (
            "min-replicas-to-write 1",
            &["CONFIG", "SET", "min-replicas-to-write", "0"],
            &["CONFIG", "SET", "min-replicas-to-write", "1"],
            "min-replicas-to-write",
        ),
        ("databases 16", &["REPLICAOF", "NO", "ONE"], &["REPLICAOF", "127.0.0.1", &absent], "the primary"),
    ];
    for (setting, mend, spoil, hint) in cases {
        let server = Redis::start_with(Options::default().setting(setting));
        let _: String = server.ask(0, spoil);
        for (name, dependency) in [("REDIS_QUEUE", "redis_queue"), ("REDIS_CACHE", "redis_cache")] {
            let refused = WaitDeps::new().set(name, server.url(1)).timeout("1s").run().expect(69);
            refused.reports(dependency, "not_yet", "database", hint);
        }
        let waiting = queue(&server.url(1)).start();
        waiting.until_it_waits_for("redis_queue", "database");
        let _: String = server.ask(0, mend);
        waiting.end().expect(0);
        assert_eq!(server.ask::<i64>(1, &["DBSIZE"]), 0, "the probe left a key");
    }
}

#[test]
fn an_absent_redis_ends_with_69_next_to_a_ready_one() {
    let server = Redis::start();
    let ended = queue(&format!("redis://:canary@127.0.0.1:{}/1", port::free()))
        .set("REDIS_CACHE", server.url(0))
        .timeout("2s")
        .run()
        .expect(69)
        .reports("redis_queue", "not_yet", "tcp", "runs");
    assert_eq!(ended.dependency("redis_cache")["state"], "ready");
    assert!(!ended.log.contains("canary"), "{}", ended.log);
}
