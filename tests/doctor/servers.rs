//! Servers that are away, and Redis servers that will lose what they are given.

use std::time::{Duration, Instant};

use crate::examined::{Examined, Place};
use crate::support::port;
use crate::support::redis::Options;

#[test]
fn with_everything_down_the_rest_is_told_soon() {
    let mut place = Place::healthy();
    place.postgres.stop();
    place.redis.stop();
    let begin = Instant::now();
    let told = place.examined().exits(69);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let told = told.tells("postgres-connection", "error", "tcp: 127.0.0.1");
    let told = told.tells("redis-connection", "error", "REDIS_CACHE");
    let told = told.tells("redis-connection", "error", "REDIS_QUEUE");
    for id in ["postgres-version", "login-rights", "site-login", "database-schema", "site", "lock", "state"] {
        let finding = told.findings.iter().find(|finding| finding.id == id).expect(id);
        assert!(finding.severity == "info" && finding.detail.starts_with("skipped: "), "{finding:?}");
    }
    told.tells("site-config", "ok", "valid").tells("bench-frappe", "ok", "15").tells(
        "apps-list",
        "ok",
        "frappe",
    );
}

#[test]
fn names_that_do_not_resolve() {
    let place = Place::empty();
    let told = Examined::from(place.doctor().set("DB_HOST", "nowhere.invalid").run()).exits(69);
    told.tells("dns", "error", "nowhere.invalid").tells("postgres-connection", "error", "dns");
}

#[test]
fn a_queue_that_loses_jobs() {
    let evicting = Options::default().setting("maxmemory 64mb").setting("maxmemory-policy allkeys-lru");
    let place = Place::with_redis(evicting);
    let told = Examined::from(place.doctor().set("REDIS_CACHE", place.redis.url(1)).run()).exits(0);
    let told = told.tells("redis-queue-eviction", "warning", "allkeys-lru");
    told.tells("redis-queue-persistence", "warning", "appendonly").tells(
        "redis-databases",
        "warning",
        "one database",
    );
}

/// The bench's path is the same in every container, and so is what its queues are called.
#[test]
fn a_queue_that_another_installation_uses() {
    let place = Place::empty();
    place.examined().tells("queue-owner", "ok", "");
    let bench_id = place.bench.path().to_str().expect("a path").trim_matches('/').replace('/', "-");
    // Whatever looks like a site in the id of a job that is not Frappe's.
    for (id, call) in
        [("odd-one||1", "os.getpid()"), ("other.test::1", "execute_job(site='other.test', method='x')")]
    {
        place.redis.ask::<i64>(1, &["RPUSH", &format!("rq:queue:{bench_id}:long"), id]);
        place.redis.ask::<i64>(1, &["HSET", &format!("rq:job:{id}"), "description", call]);
    }
    let told = place.examined().exits(78).tells("queue-owner", "error", "1 jobs of other.test wait");
    assert!(!told.text.contains("odd-one"), "{}", told.text);
    let claim = format!("cauldron:claim:{bench_id}:third.test");
    place.redis.ask::<String>(1, &["SET", &claim, "installation-3", "EX", "60"]);
    place.examined().exits(78).tells(
        "queue-owner",
        "error",
        "third.test is claimed by installation installation-3",
    );
}

#[test]
fn a_queue_that_takes_no_jobs() {
    let replica = Options::default().setting(&format!("replicaof 127.0.0.1 {}", port::free()));
    let place = Place::with_redis(replica.setting("replica-serve-stale-data yes"));
    place.examined().exits(78).tells("redis-queue-role", "error", "primary");
}

#[test]
fn a_redis_with_another_password() {
    let place = Place::empty();
    let url = format!("redis://:wrong-canary@127.0.0.1:{}/1", place.redis.port());
    let told = Examined::from(place.doctor().set("REDIS_QUEUE", url).run()).exits(77);
    assert!(!told.text.contains("wrong-canary"), "{}", told.text);
    told.tells("redis-connection", "error", "REDIS_QUEUE").tells("redis-queue-eviction", "info", "skipped");
}
