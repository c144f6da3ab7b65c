//! Any number of pods at once: one creates, all end well.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::place::{DATABASE, Place};
use crate::support::barrier::Barrier;

const BOOTSTRAP_LOCK: i64 = 0x6361_756c_626f_6f74;

#[test]
fn eight_pods_make_one_site() {
    let place = Place::new();
    let barrier = Barrier::at("folders");
    let pods: Vec<_> = (0..8).map(|_| barrier.on(place.leader()).spawn()).collect();
    let held = barrier.reached();
    // All have looked by then; the one that was held is the only one that ran a step.
    for pod in &pods {
        crate::support::wait::eventually(crate::support::binary::LONG, "each leads or follows", || {
            let log = pod.log();
            (log.contains("waiting for the pod that leads") || log.contains("new-site")).then_some(())
        });
    }
    assert!(!barrier.another_came(), "two pods create at once");
    held.go_on();
    let logs: Vec<String> = pods.into_iter().map(|pod| pod.end().exits(0).to_string()).collect();
    let count = |text: &str| logs.iter().filter(|log| log.contains(text)).count();
    assert_eq!((count("\"step\":\"new-site\""), count("nothing to do")), (1, 7));
    assert!(!barrier.another_came());
}

#[test]
fn two_pods_whose_start_is_not_staggered() {
    for _ in 0..3 {
        let place = Place::new();
        let pods = [place.leader().spawn(), place.leader().spawn()];
        let logs = pods.map(|pod| pod.end().exits(0).to_string());
        let created = logs.iter().filter(|log| log.contains("\"step\":\"new-site\"")).count();
        assert_eq!(created, 1, "{}\n{}", logs[0], logs[1]);
    }
}

/// Someone holds the lock and says nothing: it is waited for, and TERM ends the wait at once.
#[test]
fn a_lock_of_somebody_who_does_not_beat_is_waited_for() {
    let place = Place::new();
    place.created();
    // A beat of long ago, as after any quiet month, is no sign that this holder is dead.
    let site = place.site();
    site.run("UPDATE public.__cauldron_state SET beat = now() - interval '30 days'");
    site.run(&format!("SELECT pg_advisory_lock({BOOTSTRAP_LOCK})"));
    let mut pod = place.leader().start();
    pod.says("waiting for the pod that leads");
    pod.answers("/livez", 200);
    assert_eq!(pod.probe("/readyz"), 503);
    let asked = Instant::now();
    pod.signal(Signal::SIGTERM);
    pod.end_within(Duration::from_secs(10)).exits(143);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    // Let go, the next one passes.
    let pod = place.leader().spawn();
    pod.says("waiting for the pod that leads");
    drop(site);
    pod.end().exits(0).says("nothing to do");
    assert!(place.postgres.database_exists(DATABASE));
}
