//! Servers that are down, and Redis servers that lose jobs.

use std::time::{Duration, Instant};

use crate::examined::Examined;
use crate::stage::{self, DATABASE, doctor, examine};
use crate::support::port;
use crate::support::redis::Options;
use crate::support::stage::ready;

#[test]
fn with_all_servers_down_the_rest_is_reported_in_time() {
    let mut stage = stage::healthy();
    stage.postgres.stop();
    stage.redis.stop();
    let begin = Instant::now();
    let report = examine(&stage).exits(69);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let report = report.reports("postgres-connection", "error", "tcp: 127.0.0.1");
    let report = report.reports("redis-connection", "error", "REDIS_CACHE");
    let report = report.reports("redis-connection", "error", "REDIS_QUEUE");
    for id in ["postgres-version", "login-rights", "site-login", "database-schema", "site", "lock", "state"] {
        let finding = report.findings.iter().find(|finding| finding.id == id).expect(id);
        assert!(finding.severity == "info" && finding.detail.starts_with("skipped: "), "{finding:?}");
    }
    report.reports("site-config", "ok", "valid").reports("bench-frappe", "ok", "15").reports(
        "apps-list",
        "ok",
        "frappe",
    );
}

#[test]
fn names_that_do_not_resolve() {
    let stage = stage::empty();
    let report = Examined::from(doctor(&stage).set("DB_HOST", "nowhere.invalid").run()).exits(69);
    report.reports("dns", "error", "nowhere.invalid").reports("postgres-connection", "error", "dns");
}

/// wkhtmltopdf loads from the site's URL, and socketio authenticates pages at CAULDRON_WEB_URL.
#[test]
fn addresses_of_the_web_role() {
    let stage = stage::healthy();
    let url = Examined::from(doctor(&stage).set("CAULDRON_SITE_URL", "https://nowhere.invalid").run());
    url.reports("site-url", "warning", "nowhere.invalid").reports("live-events", "ok", "not set");
    let web = port::free();
    let asked = |url: String| Examined::from(doctor(&stage).set("CAULDRON_WEB_URL", url).run()).exits(0);
    let pod = ready(stage.manifest("web").set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{web}")));
    asked(format!("http://127.0.0.1:{web}")).reports("live-events", "ok", "the web role answers");
    asked("http://nowhere.invalid:8000".into()).reports("live-events", "warning", "nowhere.invalid");
    drop(pod);
    asked(format!("http://127.0.0.1:{web}")).reports("live-events", "warning", "connection refused");
    let pod = ready(stage.manifest("socketio").set("SOCKETIO_PORT", port::free()));
    let health = format!("127.0.0.1:{}", pod.health_port());
    let beside = || doctor(&stage).set("CAULDRON_HEALTH_ADDR", &health);
    Examined::from(beside().run()).reports("live-events", "warning", "not set");
    let public = Examined::from(beside().set("CAULDRON_SITE_URL", "https://nowhere.invalid").run());
    public.reports("live-events", "warning", "nowhere.invalid");
}

#[test]
fn a_queue_that_loses_jobs() {
    let evicting = Options::default().setting("maxmemory 64mb").setting("maxmemory-policy allkeys-lru");
    let stage = stage::with_redis(evicting);
    let report = Examined::from(doctor(&stage).set("REDIS_CACHE", stage.redis.url(1)).run()).exits(0);
    let report = report.reports("redis-queue-eviction", "warning", "allkeys-lru");
    report.reports("redis-queue-persistence", "warning", "appendonly").reports(
        "redis-databases",
        "warning",
        "the same database",
    );
}

/// The bench's path is the same in every container, and so are the names of its queues.
#[test]
fn a_queue_that_another_installation_uses() {
    let stage = stage::empty();
    examine(&stage).reports("queue-owner", "ok", "");
    let bench_id = stage.bench.path().to_str().expect("a path").trim_matches('/').replace('/', "-");
    // The first id looks like a site's, but its job is not Frappe's.
    for (id, call) in
        [("odd-one||1", "os.getpid()"), ("other.test::1", "execute_job(site='other.test', method='x')")]
    {
        stage.redis.ask::<i64>(1, &["RPUSH", &format!("rq:queue:{bench_id}:long"), id]);
        stage.redis.ask::<i64>(1, &["HSET", &format!("rq:job:{id}"), "description", call]);
    }
    let (now_s, _): (u64, u64) = stage.redis.ask(1, &["TIME"]);
    let claims = format!("cauldron:claim:{bench_id}");
    stage.redis.ask::<i64>(1, &["HSET", &claims, "gone", &format!("{} gone.test", now_s - 700)]);
    let report = examine(&stage).exits(78).reports("queue-owner", "error", "1 jobs wait for other.test");
    assert!(!report.text.contains("gone.test"), "{}", report.text);
    stage.redis.ask::<i64>(1, &["HSET", &claims, "installation-2", &format!("{now_s} second.test")]);
    examine(&stage).exits(78).reports(
        "queue-owner",
        "error",
        "second.test is claimed by installation installation-2",
    );
    assert!(!report.text.contains("odd-one"), "{}", report.text);
    let set = format!("cauldron:parked:{bench_id}");
    stage.redis.ask::<i64>(1, &["SADD", &set, "other.test:long"]);
    stage
        .redis
        .ask::<i64>(1, &["RPUSH", &format!("{set}:other.test:long"), "other.test::2", "other.test::3"]);
    examine(&stage).exits(78).reports("queue-owner", "error", "2 jobs are parked for other.test");
    let claim = format!("cauldron:claim:{bench_id}:third.test");
    stage.redis.ask::<String>(1, &["SET", &claim, "installation-3", "EX", "60"]);
    examine(&stage).exits(78).reports(
        "queue-owner",
        "error",
        "third.test is claimed by installation installation-3",
    );
}

#[test]
fn the_source_of_the_bench_id() {
    let stage = stage::empty();
    examine(&stage).reports("bench-id", "ok", "a new installation gets a random one");
    stage.created();
    examine(&stage).reports("bench-id", "ok", "bench_id of common_site_config.json");
    let other = Examined::from(doctor(&stage).set("CAULDRON_BENCH_ID", "other").run());
    other.reports("bench-id", "warning", "CAULDRON_BENCH_ID is other");
}

#[test]
fn a_queue_that_takes_no_jobs() {
    let replica = Options::default().setting(&format!("replicaof 127.0.0.1 {}", port::free()));
    let stage = stage::with_redis(replica.setting("replica-serve-stale-data yes"));
    examine(&stage).exits(78).reports("redis-queue-role", "error", "primary");
}

#[test]
fn a_redis_with_another_password() {
    let stage = stage::empty();
    let url = format!("redis://:wrong-canary@127.0.0.1:{}/1", stage.redis.port());
    let report = Examined::from(doctor(&stage).set("REDIS_QUEUE", url).run()).exits(77);
    assert!(!report.text.contains("wrong-canary"), "{}", report.text);
    report.reports("redis-connection", "error", "REDIS_QUEUE").reports(
        "redis-queue-eviction",
        "info",
        "skipped",
    );
}

#[test]
fn servers_that_take_no_writes() {
    let stage = stage::healthy();
    let _: String = stage.redis.ask(0, &["CONFIG", "SET", "maxmemory", "1kb"]);
    examine(&stage).exits(69).reports("redis-connection", "error", "maxmemory");
    let _: String = stage.redis.ask(0, &["CONFIG", "SET", "maxmemory", "0"]);
    for target in ["DATABASE", "ROLE"] {
        let target = format!("{target} {DATABASE}");
        stage.postgres.run("postgres", &format!("ALTER {target} SET default_transaction_read_only = on"));
        examine(&stage).exits(69).reports("site-login", "error", "RESET");
        stage.postgres.run("postgres", &format!("ALTER {target} RESET default_transaction_read_only"));
    }
    stage.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} SET search_path = ''"));
    examine(&stage).exits(78).reports("database-schema", "error", "search_path");
    stage.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} RESET search_path"));
    examine(&stage).exits(0);
}
