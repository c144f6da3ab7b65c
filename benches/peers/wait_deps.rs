//! The time from the opening of a port to the exit of `wait-deps`, which logs in, compared with wait-for-it, which only
//! connects.

use std::process::Command;
use std::thread;
use std::time::Duration;

use super::clock::{ms_between, now_ns};
use super::gate::Gate;
use super::lab::{Lab, Servers};
use super::report::{Row, Target};
use super::samples::{Subject, take_turns};
use super::started::Started;
use super::support::postgres::{PASSWORD, SUPERUSER};

const ROUNDS: usize = 16;
/// The delays of the servers in turn: each at another point between two tries, and after the program's start.
const LATE_MS: [u64; 8] = [310, 723, 458, 1_131, 377, 904, 559, 1_310];

pub fn measure(lab: &Lab) -> Vec<Row> {
    let servers = lab.servers();
    let mut ours_late = LATE_MS.iter().cycle();
    let mut theirs_late = LATE_MS.iter().cycle();
    let samples = take_turns(
        ROUNDS,
        vec![
            Subject::new("ours", || {
                let gates = gates(servers);
                let started = lab.start(&mut wait_deps(lab, &gates));
                ready_ms(&gates, started, *ours_late.next().expect("a cycle"))
            }),
            Subject::new("wait-for-it", || {
                let gates = gates(servers);
                let address = format!("127.0.0.1:{}", gates[0].port());
                let started = lab.start(Command::new("wait-for-it").args([&address, "-q", "-t", "30"]));
                ready_ms(&gates, started, *theirs_late.next().expect("a cycle"))
            }),
        ],
    );
    vec![
        Row::new("ports up → ready to go (3 servers)", "ms", samples, Target::AtMost(15.0))
            .noted("wait-for-it waits only for the port of PostgreSQL, and does not log in"),
    ]
}

/// The gates of PostgreSQL, the cache Redis and the queue Redis.
fn gates(servers: &Servers) -> [Gate; 3] {
    [servers.postgres.port(), servers.redis.port(), servers.redis.port()].map(Gate::before)
}

fn wait_deps(lab: &Lab, [postgres, cache, queue]: &[Gate; 3]) -> Command {
    let mut command = Command::new(lab.binary());
    command
        .arg("wait-deps")
        .env("CAULDRON_WAIT_TIMEOUT", "30s")
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", postgres.port().to_string())
        .env("DB_USER", SUPERUSER)
        .env("DB_PASSWORD", PASSWORD)
        .env("REDIS_CACHE", format!("redis://127.0.0.1:{}/0", cache.port()))
        .env("REDIS_QUEUE", format!("redis://127.0.0.1:{}/1", queue.port()));
    command
}

/// Opens all gates at once, this long after the start.
fn ready_ms(gates: &[Gate], mut waiting: Started, late_ms: u64) -> f64 {
    thread::sleep(Duration::from_millis(late_ms));
    assert!(waiting.is_running(), "it did not wait for a closed port; see target/bench.log");
    for gate in gates {
        gate.open();
    }
    let opened_ns = now_ns();
    ms_between(opened_ns, waiting.end_ns())
}
