//! Many pods start at once: one creates the site, and all succeed.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::stage::{self, DATABASE, held_at};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;

const BOOTSTRAP_LOCK: i64 = 0x6361_756c_626f_6f74;

#[test]
fn eight_pods_make_one_site() {
    let stage = stage::empty();
    let barrier = Barrier::at("folders");
    let pods: Vec<_> = (0..8).map(|_| held_at(stage.leader(), &barrier).spawn()).collect();
    let held = barrier.wait(LONG);
    // All pods have tried the lock by then; only the one that is held at the barrier runs a step.
    for pod in &pods {
        crate::support::wait::eventually(LONG, "each leads or follows", || {
            let log = pod.log();
            (log.contains("leader.waiting") || log.contains("new-site")).then_some(())
        });
    }
    assert!(barrier.wait_or_none(Duration::ZERO).is_none(), "two pods create at once");
    held.release();
    let logs: Vec<String> = pods.into_iter().map(|pod| pod.end().exits(0).to_string()).collect();
    let count = |text: &str| logs.iter().filter(|log| log.contains(text)).count();
    assert_eq!((count("\"step\":\"new-site\""), count("site.up_to_date")), (1, 7));
    assert!(barrier.wait_or_none(Duration::ZERO).is_none());
}

#[test]
fn two_pods_whose_start_is_not_staggered() {
    for _ in 0..3 {
        let stage = stage::empty();
        let pods = [stage.leader().spawn(), stage.leader().spawn()];
        let logs = pods.map(|pod| pod.end().exits(0).to_string());
        let created = logs.iter().filter(|log| log.contains("\"step\":\"new-site\"")).count();
        assert_eq!(created, 1, "{}\n{}", logs[0], logs[1]);
    }
}

/// A session holds the lock without a heartbeat: it is waited for, and TERM ends the wait at once.
#[test]
fn a_lock_without_a_heartbeat_is_waited_for() {
    let stage = stage::empty();
    stage.created();
    // An old heartbeat of an earlier leader does not prove that the present holder is dead.
    let site = stage.session();
    site.run("UPDATE public.__cauldron_state SET beat = now() - interval '30 days'");
    site.run(&format!("SELECT pg_advisory_lock({BOOTSTRAP_LOCK})"));
    let mut pod = stage.leader().start();
    pod.event("leader.waiting");
    pod.answers("/livez", 200);
    assert_eq!(pod.probe("/readyz"), 503);
    let requested = Instant::now();
    pod.signal(Signal::SIGTERM);
    pod.end_within(Duration::from_secs(10)).exits(143);
    assert!(requested.elapsed() < Duration::from_secs(2), "{:?}", requested.elapsed());
    // Once the lock is released, the next pod continues.
    let pod = stage.leader().spawn();
    pod.event("leader.waiting");
    drop(site);
    pod.end().exits(0).event("site.up_to_date");
    assert!(stage.postgres.database_exists(DATABASE));
}
