//! One leader among all schedulers, standbys that take over, and ticks that are seen.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::place::{Container, DATABASE, LONG, Place, SITE, child, children, kill, lives, rounds, status};
use crate::support::binary::{Binary, Pod};
use crate::support::wait::{eventually, within};

const SOON: Duration = Duration::from_secs(10);

/// They share the site, and so its lock: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn scheduler(container: &Container, place: &Place) -> Binary {
    place
        .command("scheduler")
        .set("CAULDRON_BENCH", container.path().display())
        .set("FRAPPE_BENCH_ROOT", container.path().display())
        .set("SAMPLE_BENCH_TICKS", ticks(place).display())
}

fn ticks(place: &Place) -> PathBuf {
    place.file("ticks")
}

/// When each tick ended, in seconds of one clock, in order.
fn ticked(place: &Place) -> Vec<f64> {
    let text = fs::read_to_string(ticks(place)).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a time")).collect()
}

#[track_caller]
fn ready(binary: Binary) -> Pod {
    let mut pod = binary.start();
    pod.answers("/readyz", 200);
    pod
}

fn note(pod: &Pod) -> String {
    status(pod)["roles"]["scheduler"]["note"].as_str().unwrap_or_default().to_owned()
}

fn leads(pod: &Pod) -> bool {
    note(pod).starts_with("leads")
}

#[test]
fn a_leader_ticks_and_says_so() {
    let (_alone, place) = (alone(), Place::new());
    let container = Container::new(&place);
    let pod = ready(scheduler(&container, &place));
    assert!(leads(&pod));
    eventually(LONG, "a tick", || note(&pod).contains(" s ago").then_some(()));
    let metrics = pod.body("/metrics");
    assert!(metrics.contains("\ncauldron_frappe_scheduler_leader 1"), "{metrics}");
    assert!(metrics.contains("\ncauldron_frappe_scheduler_lag_seconds "), "{metrics}");
    let pid = child(&pod);
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    assert!(!lives(pid));
}

#[test]
fn a_switched_off_scheduler_is_told_for_what_it_is() {
    let (_alone, place) = (alone(), Place::new());
    let container = Container::new(&place);
    let session = place.site.postgres.session(DATABASE);
    let set = |on: u8| {
        session.run(&format!(
            "UPDATE \"tabSingles\" SET value = '{on}' WHERE doctype = 'System Settings' AND field = 'enable_scheduler'"
        ))
    };
    set(0);
    let pod = ready(scheduler(&container, &place));
    pod.says("the scheduler runs, and enqueues nothing or little state=\"disabled\"");
    assert!(note(&pod).contains("disabled"), "{}", note(&pod));
    set(1);
    eventually(LONG, "it is active", || note(&pod).contains("active").then_some(()));
    let file = place.bench().sites().join(SITE).join("site_config.json");
    let before = fs::read_to_string(&file).expect("site_config.json");
    fs::write(&file, before.replacen('{', "{\"pause_scheduler\": 1,", 1)).expect("site_config.json");
    let paused = within(SOON, || note(&pod).contains("paused").then_some(()));
    fs::write(&file, before).expect("site_config.json");
    assert!(paused.is_some(), "{}", note(&pod));
}

/// Three pods; the leader is killed again and again, as a node's death does: nobody says goodbye. Just after a tick, and
/// just before the next one.
#[test]
fn a_killed_leader_is_replaced_and_no_tick_is_doubled_or_missed() {
    const TICK_S: f64 = 10.0;
    let (_alone, place) = (alone(), Place::new());
    let containers: Vec<Container> = (0..3).map(|_| Container::new(&place)).collect();
    for container in &containers {
        container.configure(&place, &[("scheduler_tick_interval", TICK_S.into())]);
    }
    let mut pods: Vec<Pod> = containers.iter().map(|container| ready(scheduler(container, &place))).collect();
    assert_eq!(pods.iter().filter(|pod| leads(pod)).count(), 1);
    for round in 0..rounds(3) {
        let before = ticked(&place).len();
        eventually(LONG, "a tick", || (ticked(&place).len() > before).then_some(()));
        let leader = pods.iter().position(leads).expect("a leader");
        if round % 2 == 1 {
            let late = |note: &str| note.contains("last tick 8 s") || note.contains("last tick 9 s");
            let seen = || late(&note(&pods[leader])) || ticked(&place).len() > before + 1;
            eventually(LONG, "the next tick is near", || seen().then_some(()));
        }
        let pid = child(&pods[leader]);
        pods[leader].signal(Signal::SIGKILL);
        let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
        // Two seconds, and what a busy machine needs.
        eventually(SOON, "another leads", || {
            others.iter().any(|at| leads(&pods[*at]) && !children(&pods[*at]).is_empty()).then_some(())
        });
        assert!(!lives(pid), "the dead leader's child still ticks");
        pods[leader] = ready(scheduler(&containers[leader], &place));
        assert_eq!(pods.iter().filter(|pod| leads(pod)).count(), 1);
    }
    let ticks = ticked(&place);
    let gaps: Vec<f64> = ticks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A new leader's first tick may come sooner (frappe/scheduler.py), never twice in half an interval.
    assert!(gaps.iter().all(|gap| *gap > TICK_S * 0.4), "doubled: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap < TICK_S * 2.0), "missed: {gaps:?}");
    println!("gaps of ticks, in seconds: {gaps:.1?}");
}

/// A leader that is cut off: its session stays at the server, and it must end its child before anybody takes over.
#[test]
fn a_stopped_leader_loses_its_lock() {
    let (_alone, place) = (alone(), Place::new());
    let containers: Vec<Container> = (0..2).map(|_| Container::new(&place)).collect();
    let first = ready(scheduler(&containers[0], &place));
    let second = ready(scheduler(&containers[1], &place));
    assert!(leads(&first) && note(&second).contains("stands by"));
    // Frozen, which is a partition of everything.
    let frozen = child(&first);
    kill(frozen, Signal::SIGSTOP);
    first.signal(Signal::SIGSTOP);
    second.says("ends a silent leader's session");
    eventually(LONG, "the other leads", || leads(&second).then_some(()));
    first.signal(Signal::SIGCONT);
    first.says("no longer leads the scheduler");
    kill(frozen, Signal::SIGCONT);
    eventually(LONG, "its child is gone", || (!lives(frozen)).then_some(()));
    eventually(LONG, "it stands by", || note(&first).contains("stands by").then_some(()));
    assert!(leads(&second));
}

#[test]
fn without_the_database_nobody_leads_and_nothing_ticks() {
    let (_alone, place) = (alone(), Place::new());
    let container = Container::new(&place);
    let mut pod = ready(scheduler(&container, &place));
    let pid = child(&pod);
    // Somebody ends the session: the lock goes with it, and so must the child.
    place.site.postgres.session("postgres").run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'cauldron/scheduler%'",
    );
    pod.says("no longer leads the scheduler");
    eventually(LONG, "its child is gone", || (!lives(pid)).then_some(()));
    pod.answers("/readyz", 200);
    assert_ne!(child(&pod), pid);
}
