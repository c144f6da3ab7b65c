//! Jobs whose worker could not finish them.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::all::Home;
use crate::place::{LONG, Place, SITE, child, children, kill, lives, rounds, status};
use crate::support::skip::skipped;
use crate::support::tree::with_descendants;
use crate::support::wait::eventually;
use crate::worker::{SOON, ready, worker};

#[test]
fn after_the_grace_period_a_job_is_failed_with_the_reason() {
    for place in Place::with_each_rq() {
        after_the_grace(&place);
    }
}

fn after_the_grace(place: &Place) {
    let pod = ready(worker(place).set("CAULDRON_GRACE", "1s"));
    let job = place.job("cut", "short");
    let horse = job.wait_for_start();
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0).says("cut off: its worker was stopped");
    assert!(!lives(horse));
    assert_eq!(
        (place.registries("cut"), place.job_field("cut", "status")),
        (vec!["failed".to_owned()], Some("failed".into()))
    );
    assert!(!job.done.exists() && place.workers().is_empty());
}

#[test]
fn a_repeatable_job_is_put_back_when_cut_off() {
    for place in Place::with_each_rq() {
        put_back(&place);
    }
}

fn put_back(place: &Place) {
    let mut pod = ready(worker(place).set("CAULDRON_REQUEUE", "other.method,ledger.tasks.hold"));
    let job = place.job("again", "short");
    job.wait_for_start();
    pod.signal(Signal::SIGTERM);
    pod.event("worker.stop_waits_for_job");
    // A later request forces the stop, whatever is left of the grace period.
    eventually(SOON, "a forced end", || {
        let exit = pod.exit();
        if exit.is_none() {
            pod.signal(Signal::SIGTERM);
        }
        exit
    });
    pod.end_within(SOON).exits(0).says("put back job");
    assert_eq!(place.job_field("again", "status").as_deref(), Some("queued"));
    fs::remove_file(&job.started).expect("a mark");
    let pod = ready(worker(place));
    job.wait_for_start();
    job.release();
    job.wait_for_end();
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    assert_eq!(place.registries("again"), ["finished"]);
}

#[test]
fn a_killed_horse_worker_or_both_are_handled() {
    let place = Place::new();
    let mut pod = ready(worker(&place));
    // The horse: RQ itself handles it.
    let job = place.job("horse", "short");
    kill(job.wait_for_start(), Signal::SIGKILL);
    eventually(LONG, "RQ fails it", || (place.registries("horse") == ["failed"]).then_some(()));
    // The worker: its horse finishes the job alone, and a new worker starts at once.
    let (job, before) = (place.job("worker", "short"), child(&pod));
    let horse = job.wait_for_start();
    eventually(LONG, "a poll sees the job", || {
        (status(&pod)["roles"]["worker"]["note"] == "1 processes, 1 busy").then_some(())
    });
    kill(before, Signal::SIGKILL);
    pod.event("worker.lost");
    eventually(LONG, "a new worker", || children(&pod).into_values().find(|pid| *pid != before));
    job.release();
    job.wait_for_end();
    eventually(LONG, "finished", || (place.registries("worker") == ["finished"]).then_some(()));
    eventually(LONG, "the horse has ended", || (!lives(horse)).then_some(()));
    eventually(LONG, "the dead worker's record is deleted", || (place.workers().len() == 1).then_some(()));
    // Both: no process is left to report the job.
    let (job, before) = (place.job("both", "short"), child(&pod));
    let horse = job.wait_for_start();
    kill(before, Signal::SIGKILL);
    kill(horse, Signal::SIGKILL);
    eventually(LONG, "failed", || (place.registries("both") == ["failed"]).then_some(()));
    pod.answers("/readyz", 200);
    assert_eq!(status(&pod)["children"][0]["restart_reasons"]["crash"], 2);
}

#[test]
fn a_killed_supervisor_leaves_no_worker_running() {
    let place = Place::new();
    let pod = ready(worker(&place));
    let (job, pid) = (place.job("orphan", "short"), child(&pod));
    job.wait_for_start();
    pod.signal(Signal::SIGKILL);
    pod.end_within(SOON);
    job.release();
    job.wait_for_end();
    eventually(LONG, "the worker ends", || (!lives(pid)).then_some(()));
    assert_eq!(place.registries("orphan"), ["finished"]);
}

#[test]
fn an_unrequested_exit_0_is_a_failure() {
    let place = Place::new();
    let pod = ready(worker(&place));
    let before = child(&pod);
    // TERM from another process: RQ stops cleanly.
    kill(before, Signal::SIGTERM);
    eventually(LONG, "a new worker", || children(&pod).into_values().find(|pid| *pid != before));
    pod.event("service.ended_unexpectedly");
    assert_eq!(status(&pod)["children"][0]["restart_reasons"]["crash"], 1);
}

/// A work-horse that RQ should have ended but did not.
#[test]
fn a_stuck_horse_is_reported() {
    if rounds(0) == 0 {
        skipped(
            "a_stuck_horse_is_reported",
            "a horse counts as stuck 100 s after its job's time; `make drill` waits for it",
        );
        return;
    }
    let place = Place::new();
    let pod = ready(worker(&place));
    let (job, pid) = (place.job("stuck", "short"), child(&pod));
    let horse = job.wait_for_start();
    let is_reported = || pod.body("/readyz?verbose").contains(&format!("stuck job: {SITE}::stuck"));
    place.redis.ask::<i64>(1, &["HSET", &format!("rq:job:{SITE}::stuck"), "timeout", "1"]);
    // RQ uses the timeout that it read with the job, which is not over: it does not end the horse.
    assert!(!is_reported(), "reported too early: this test proves nothing");
    eventually(Duration::from_secs(150), "it is reported", || is_reported().then_some(()));
    pod.event("job.stuck");
    assert!(lives(horse) && lives(pid));
    job.release();
}

/// A killed supervisor that is not PID 1 leaves no process, and the next one can bind every port.
#[test]
fn a_killed_supervisor_of_all_leaves_no_process_running() {
    let home = Home::new();
    let mut pod = home.all().start();
    pod.answers("/readyz", 200);
    let all = with_descendants(pod.pid());
    assert!(all.len() >= 7, "{all:?}");
    pod.signal(Signal::SIGKILL);
    pod.end_within(SOON);
    eventually(SOON, "all processes have ended", || {
        all.iter().all(|pid| !lives(i32::try_from(*pid).expect("a pid"))).then_some(())
    });
    let mut pod = home.all().start();
    pod.answers("/readyz", 200);
}
