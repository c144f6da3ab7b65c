//! One leader among all schedulers, standbys that take over, and observed ticks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;

use crate::container::Container;
use crate::generations::on_each_generation;
use crate::processes::{child, children, kill, lives, rounds, status};
use crate::stage::{LONG, RolesStage};
use crate::support::binary::{Binary, Pod};
use crate::support::port;
use crate::support::stage::ready;
use crate::support::wait::{eventually, within};

const SOON: Duration = Duration::from_secs(10);

/// The tests share the site, and so its lock: one runs at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn scheduler(container: &Container, stage: &RolesStage) -> Binary {
    stage
        .command("scheduler")
        .set("CAULDRON_BENCH", container.path().display())
        .set("FRAPPE_BENCH_ROOT", container.path().display())
        .set("SAMPLE_BENCH_TICKS", ticks(stage).display())
}

fn ticks(stage: &RolesStage) -> PathBuf {
    stage.file("ticks")
}

/// The end times of the ticks, in seconds of a clock that never jumps, in order.
fn ticked(stage: &RolesStage) -> Vec<f64> {
    ticked_at(stage, 0)
}

/// The same in seconds since 1970.
pub fn ticked_by_the_clock(stage: &RolesStage) -> Vec<f64> {
    ticked_at(stage, 1)
}

fn ticked_at(stage: &RolesStage, column: usize) -> Vec<f64> {
    let text = fs::read_to_string(ticks(stage)).unwrap_or_default();
    let time = |line: &str| line.split(' ').nth(column)?.parse().ok();
    text.lines().map(|line| time(line).expect("a time")).collect()
}

fn note(pod: &Pod) -> String {
    status(pod)["roles"]["scheduler"]["note"].as_str().unwrap_or_default().to_owned()
}

fn leads(pod: &Pod) -> bool {
    note(pod).starts_with("leads")
}

on_each_generation![
    a_leader_ticks_and_reports_it,
    a_web_container_holds_the_lock_while_a_scheduler_ticks_elsewhere,
    a_disabled_or_paused_scheduler_is_reported,
];

fn a_leader_ticks_and_reports_it(stage: RolesStage) {
    let _alone = alone();
    let container = Container::new(&stage);
    let pod = ready(scheduler(&container, &stage));
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

/// Frappe's own program ends with 0 without a message.
#[test]
fn a_lock_that_another_process_holds_is_named() {
    let (_alone, stage) = (alone(), RolesStage::new());
    let container = Container::new(&stage);
    let path = container.path().join("config/scheduler_process");
    let file = fs::File::create(&path).expect("a lock file");
    let lock =
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error).expect("the lock");
    let held = format!("config/scheduler_process is locked by pid {} ", std::process::id());
    let pod = scheduler(&container, &stage).start();
    pod.event("scheduler.lock_held");
    let reported = within(LONG, || pod.body("/readyz").contains(&held).then_some(()));
    assert!(reported.is_some(), "{}", pod.log());
    assert!(status(&pod)["reasons"].to_string().contains(&held), "{}", status(&pod));
    pod.end_within(LONG).exits(75).refuses("scheduler-locked").says(&held);
    drop(lock);
    assert!(leads(&ready(scheduler(&container, &stage))));
}

fn is_locked(path: &Path) -> bool {
    let lock = |file| Flock::lock(file, FlockArg::LockExclusiveNonblock);
    fs::File::open(path).is_ok_and(|file| lock(file).is_err())
}

/// A role that serves the site in a container; `all` includes a scheduler.
fn serving(role: &str, container: &Container, stage: &RolesStage) -> Pod {
    let binary = scheduler(container, stage).with_command(role).set("SOCKETIO_PORT", port::free());
    let binary = binary.set("CAULDRON_WEB_ADDR", format!("127.0.0.1:{}", port::free()));
    ready(binary.set("CAULDRON_BOOTSTRAP", "follow").set("GUNICORN_WORKERS", 1))
}

/// Frappe 16's System Health Report looks at the lock in the container of the request.
fn a_web_container_holds_the_lock_while_a_scheduler_ticks_elsewhere(stage: RolesStage) {
    let _alone = alone();
    let [front, back] = [(), ()].map(|()| Container::new(&stage));
    let lock = front.path().join("config/scheduler_process");
    let _web = serving("web", &front, &stage);
    assert!(!is_locked(&lock));
    let pod = ready(scheduler(&back, &stage));
    eventually(LONG, "the web role holds the lock", || is_locked(&lock).then_some(()));
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    eventually(LONG, "the web role releases the lock", || (!is_locked(&lock)).then_some(()));
}

#[test]
fn a_scheduler_that_takes_over_gets_the_lock_from_its_own_web_role() {
    let (_alone, stage) = (alone(), RolesStage::new());
    let [first, second] = [(), ()].map(|()| Container::new(&stage));
    let leader = ready(scheduler(&first, &stage));
    let pod = serving("all", &second, &stage);
    assert!(note(&pod).starts_with("stands by"), "{}", note(&pod));
    let lock = second.path().join("config/scheduler_process");
    eventually(LONG, "the web role holds the lock", || is_locked(&lock).then_some(()));
    leader.signal(Signal::SIGKILL);
    eventually(LONG, "a tick", || (leads(&pod) && note(&pod).contains(" s ago")).then_some(()));
    assert!(!pod.log().contains("scheduler.lock_held"), "{}", pod.log());
}

/// A worker pool of Frappe 16 ticks if it gets the lock.
#[test]
fn a_worker_pool_in_exec_cannot_tick() {
    let stage = RolesStage::new();
    let container = Container::new(&stage);
    let taken = |last_word: &str| {
        let code = "import fcntl, sys\nfile = open('config/scheduler_process', 'w')\ntry:\n    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    print('it ticks')\nexcept OSError:\n    print('it does not tick')";
        let exec = scheduler(&container, &stage).with_command("exec");
        let words =
            ["--", "sh", "-c", "cd \"$FRAPPE_BENCH_ROOT\" && exec python -c \"$0\" \"$1\"", code, last_word];
        words.iter().fold(exec, |exec, word| exec.argument(word)).run().exits(0)
    };
    taken("worker-pool").prints("it does not tick").event("exec.scheduler_fenced");
    // The control.
    taken("worker").prints("it ticks");
}

fn a_disabled_or_paused_scheduler_is_reported(stage: RolesStage) {
    let _alone = alone();
    let container = Container::new(&stage);
    let session = stage.shared.session();
    let set = |on: u8| {
        session.run(&format!(
            "UPDATE \"tabSingles\" SET value = '{on}' WHERE doctype = 'System Settings' AND field = 'enable_scheduler'"
        ))
    };
    set(0);
    let pod = ready(scheduler(&container, &stage));
    pod.event("scheduler.not_active");
    pod.says("\"state\":\"disabled\"");
    assert!(note(&pod).contains("disabled"), "{}", note(&pod));
    set(1);
    eventually(LONG, "it is active", || note(&pod).contains("active").then_some(()));
    let file = stage.shared.file("site_config.json");
    let before = fs::read_to_string(&file).expect("site_config.json");
    fs::write(&file, before.replacen('{', "{\"pause_scheduler\": 1,", 1)).expect("site_config.json");
    let paused = within(SOON, || note(&pod).contains("paused").then_some(()));
    fs::write(&file, before).expect("site_config.json");
    assert!(paused.is_some(), "{}", note(&pod));
}

/// Three pods; the leader is killed repeatedly without a clean stop, as by the death of a node: just after a tick, and
/// just before the next one.
#[test]
fn a_killed_leader_is_replaced_and_no_tick_is_doubled_or_missed() {
    const TICK_S: f64 = 10.0;
    let (_alone, stage) = (alone(), RolesStage::new());
    let containers: Vec<Container> = (0..3).map(|_| Container::new(&stage)).collect();
    for container in &containers {
        container.configure(&stage, &[("scheduler_tick_interval", TICK_S.into())]);
    }
    let mut pods: Vec<Pod> = containers.iter().map(|container| ready(scheduler(container, &stage))).collect();
    assert_eq!(pods.iter().filter(|pod| leads(pod)).count(), 1);
    for round in 0..rounds(3) {
        let before = ticked(&stage).len();
        eventually(LONG, "a tick", || (ticked(&stage).len() > before).then_some(()));
        let leader = pods.iter().position(leads).expect("a leader");
        if round % 2 == 1 {
            let late = |note: &str| note.contains("last tick 8 s") || note.contains("last tick 9 s");
            let seen = || late(&note(&pods[leader])) || ticked(&stage).len() > before + 1;
            eventually(LONG, "the next tick is near", || seen().then_some(()));
        }
        let pid = child(&pods[leader]);
        pods[leader].signal(Signal::SIGKILL);
        let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
        // Two seconds, plus a margin for a busy machine.
        eventually(SOON, "another leads", || {
            others.iter().any(|at| leads(&pods[*at]) && !children(&pods[*at]).is_empty()).then_some(())
        });
        assert!(!lives(pid), "the dead leader's child still ticks");
        pods[leader] = ready(scheduler(&containers[leader], &stage));
        assert_eq!(pods.iter().filter(|pod| leads(pod)).count(), 1);
    }
    let ticks = ticked(&stage);
    let gaps: Vec<f64> = ticks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A new leader's first tick may come sooner (frappe/scheduler.py), never twice in half an interval.
    assert!(gaps.iter().all(|gap| *gap > TICK_S * 0.4), "doubled: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap < TICK_S * 2.0), "missed: {gaps:?}");
    println!("gaps of ticks, in seconds: {gaps:.1?}");
}

/// A leader that is cut off: its session stays open on the server, and its child must end before a standby takes over.
#[test]
fn a_stopped_leader_loses_its_lock() {
    let (_alone, stage) = (alone(), RolesStage::new());
    let containers: Vec<Container> = (0..2).map(|_| Container::new(&stage)).collect();
    let first = ready(scheduler(&containers[0], &stage));
    let second = ready(scheduler(&containers[1], &stage));
    assert!(leads(&first) && note(&second).contains("stands by"));
    // Freezing it cuts it off from everything.
    let frozen = child(&first);
    kill(frozen, Signal::SIGSTOP);
    first.signal(Signal::SIGSTOP);
    second.event("scheduler.leader_silent");
    eventually(LONG, "the other leads", || leads(&second).then_some(()));
    first.signal(Signal::SIGCONT);
    first.event("scheduler.leadership_lost");
    kill(frozen, Signal::SIGCONT);
    eventually(LONG, "its child has ended", || (!lives(frozen)).then_some(()));
    eventually(LONG, "it stands by", || note(&first).contains("stands by").then_some(()));
    assert!(leads(&second));
}

#[test]
fn without_its_session_a_leader_stops_its_child() {
    let (_alone, stage) = (alone(), RolesStage::new());
    let container = Container::new(&stage);
    let mut pod = ready(scheduler(&container, &stage));
    let pid = child(&pod);
    // The session is ended: the lock is lost with it, and the child must end.
    stage.shared.postgres.session("postgres").run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'cauldron/scheduler%'",
    );
    pod.event("scheduler.leadership_lost");
    eventually(LONG, "its child has ended", || (!lives(pid)).then_some(()));
    pod.answers("/readyz", 200);
    assert_ne!(child(&pod), pid);
}
