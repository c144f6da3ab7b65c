//! Workers, scheduler and socketio: how they start and end, and what they leave.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::facts::Facts;
use crate::jobs::wait_until_blocked;
use crate::kill::SITE_PASSWORD;
use crate::record::SEEN;
use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::redis::Redis;
use crate::support::running::Running;
use crate::support::wait::{eventually, within};
use crate::support::{http, port};

const READY: Duration = Duration::from_secs(30);

pub fn observe(bench: Bench, facts: &mut Facts) {
    let bench = &bench;
    let (postgres, mut redis) = (Postgres::start(), Redis::start());
    bench.connect(&postgres, &redis);
    workers(bench, &mut redis, facts);
    scheduler(bench, facts);
    socketio(bench, &mut redis, facts);
}

fn registered(redis: &Redis) -> BTreeSet<String> {
    redis.ask(1, &["SMEMBERS", "rq:workers"])
}

fn start_worker(bench: &Bench, redis: &Redis) -> (Running, String) {
    let before = registered(redis);
    let worker = Running::spawn(&mut bench.frappe(&["worker", "--queue", "short,default"]));
    let name = eventually(READY, "the worker is in rq:workers", || {
        registered(redis).difference(&before).next().cloned()
    });
    // A worker sets its signal handlers after its record and its first output; before that TERM kills it.
    wait_until_blocked(redis);
    (worker, name)
}

/// Rounds the rest of a time that began a moment ago up to whole minutes.
fn whole_minutes(seconds: i64) -> i64 {
    (seconds + 59) / 60 * 60
}

fn workers(bench: &Bench, redis: &mut Redis, facts: &mut Facts) {
    let (mut worker, name) = start_worker(bench, redis);
    let id = bench.path().to_str().expect("a plain path").trim_start_matches('/').replace('/', "-");
    let queues: String = redis.ask(1, &["HGET", &name, "queues"]);
    facts.note("worker.queues", queues.replace(&id, "<bench_id>"));
    let pid: String = redis.ask(1, &["HGET", &name, "pid"]);
    facts.note("worker.record_has_its_pid", pid == worker.pid().to_string());
    let of_queue = format!("rq:workers:{id}:default");
    facts.note(
        "worker.in_its_queue's_set",
        redis.ask::<BTreeSet<String>>(1, &["SMEMBERS", &of_queue]).contains(&name),
    );
    let fields: BTreeSet<String> = redis.ask(1, &["HKEYS", &name]);
    let wanted = ["pid", "hostname", "state", "last_heartbeat", "queues"];
    facts.note("worker.record_fields", json!(wanted.map(|field| fields.contains(field))));
    facts.note("worker.record_lives_s", whole_minutes(redis.ask(1, &["TTL", &name])));

    let started = Instant::now();
    worker.signal(Signal::SIGTERM);
    facts.note("worker.term.exit", json!(worker.exit_within(READY)));
    facts.note(format!("{SEEN}worker.term.ms"), started.elapsed().as_millis() as u64);
    facts.note("worker.term.stays_registered", registered(redis).contains(&name));

    let (mut killed, name) = start_worker(bench, redis);
    killed.kill_group();
    facts.note("worker.killed.stays_registered", registered(redis).contains(&name));

    let (mut lonely, _) = start_worker(bench, redis);
    redis.restart();
    let seen = within(Duration::from_secs(5), || (!registered(redis).is_empty()).then_some(()));
    facts.note("worker.redis_restarted.registers_again", seen.is_some());
    facts.note("worker.redis_restarted.runs", lonely.exit().is_none());
    drop(lonely);

    redis.stop();
    let mut orphan = Running::spawn(&mut bench.frappe(&["worker", "--queue", "short"]));
    let started = Instant::now();
    facts.note("worker.no_redis.exit", json!(orphan.exit_within(READY)));
    facts.note("worker.no_redis.tries_for_a_while", started.elapsed() > Duration::from_secs(3));
    redis.start_again();
}

fn scheduler(bench: &Bench, facts: &mut Facts) {
    let lock = bench.path().join("config/scheduler_process");
    let mut first = Running::spawn(&mut bench.frappe(&["schedule"]));
    eventually(READY, "the scheduler holds its lock", || is_locked(&lock).then_some(()));
    let mut second = Running::spawn(&mut bench.frappe(&["schedule"]));
    facts.note("scheduler.second.exit", json!(second.exit_within(READY)));
    facts.note("scheduler.second.is_silent", second.log().trim().is_empty());
    first.signal(Signal::SIGTERM);
    facts.note("scheduler.term.exit", json!(first.exit_within(READY)));
}

fn is_locked(path: &std::path::Path) -> bool {
    let file = fs::File::open(path).ok();
    file.is_some_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err())
}

fn socketio(bench: &Bench, redis: &mut Redis, facts: &mut Facts) {
    let start = |port: u16| {
        let mut command = bench.socketio();
        Running::spawn(command.env("FRAPPE_SOCKETIO_PORT", port.to_string()))
    };
    let port = port::free();
    let mut node = start(port);
    let answer = eventually(READY, "socketio answers", || {
        assert_eq!(node.exit(), None, "socketio: {}", node.log());
        http::get(port, "localhost", "/socket.io/?EIO=4&transport=polling")
    });
    facts.note(
        "socketio.handshake",
        json!({ "status": answer.status, "starts": &answer.body[..7.min(answer.body.len())] }),
    );
    eventually(READY, "socketio subscribes", || {
        let channels: Vec<String> = redis.ask(1, &["PUBSUB", "CHANNELS"]);
        channels.contains(&"events".to_owned()).then_some(())
    });
    facts.note("socketio.subscribes_to_events", true);
    redis.stop();
    facts.note("socketio.redis_lost.exit", json!(node.exit_within(READY)));
    facts.note("socketio.no_redis.exit", json!(start(port::free()).exit_within(READY)));
    redis.start_again();
}

/// The secrets in the argument lists of a running command's whole process group.
pub fn argv_secrets(group: u32) -> Value {
    let secrets = [("administrator", PASSWORD), ("site", SITE_PASSWORD), ("admin", ADMIN_PASSWORD)];
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let in_group =
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)) == Some(&group.to_string());
        if !in_group {
            continue;
        }
        let argv = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let argv = String::from_utf8_lossy(&argv);
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
        let name = if name.starts_with("python") { "python".to_owned() } else { name };
        for (secret, value) in secrets {
            if argv.contains(value) {
                found.entry(name.clone()).or_default().insert(secret);
            }
        }
    }
    json!(found)
}
