//! What becomes of a job whose worker could not finish it.

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
fn past_the_grace_a_job_is_failed_with_the_reason() {
    for place in Place::with_each_rq() {
        past_the_grace(&place);
    }
}

fn past_the_grace(place: &Place) {
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
fn what_may_run_twice_is_put_back_when_it_was_cut_off() {
    for place in Place::with_each_rq() {
        put_back(&place);
    }
}

fn put_back(place: &Place) {
    let mut pod = ready(worker(place).set("CAULDRON_REQUEUE", "other.method,ledger.tasks.hold"));
    let job = place.job("again", "short");
    job.wait_for_start();
    pod.signal(Signal::SIGTERM);
    pod.says("told to stop");
    // A later request means hurry, whatever is left of the grace.
    eventually(SOON, "a hurried end", || {
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
fn killed_horse_worker_and_both() {
    let place = Place::new();
    let mut pod = ready(worker(&place));
    // The horse: RQ's own affair.
    let job = place.job("horse", "short");
    kill(job.wait_for_start(), Signal::SIGKILL);
    eventually(LONG, "RQ fails it", || (place.registries("horse") == ["failed"]).then_some(()));
    // The worker: its horse finishes alone, and a new worker is there at once.
    let (job, before) = (place.job("worker", "short"), child(&pod));
    let horse = job.wait_for_start();
    eventually(LONG, "a look at it", || {
        (status(&pod)["roles"]["worker"]["note"] == "1 processes, 1 busy").then_some(())
    });
    kill(before, Signal::SIGKILL);
    pod.says("its work-horse goes on with the job alone");
    eventually(LONG, "a new worker", || children(&pod).into_values().find(|pid| *pid != before));
    job.release();
    job.wait_for_end();
    eventually(LONG, "finished", || (place.registries("worker") == ["finished"]).then_some(()));
    eventually(LONG, "the horse is gone", || (!lives(horse)).then_some(()));
    eventually(LONG, "the dead one's record is gone", || (place.workers().len() == 1).then_some(()));
    // Both: nobody is left to say so.
    let (job, before) = (place.job("both", "short"), child(&pod));
    let horse = job.wait_for_start();
    kill(before, Signal::SIGKILL);
    kill(horse, Signal::SIGKILL);
    eventually(LONG, "settled", || (place.registries("both") == ["failed"]).then_some(()));
    pod.answers("/readyz", 200);
    assert_eq!(status(&pod)["children"][0]["restart_reasons"]["crash"], 2);
}

#[test]
fn a_killed_supervisor_leaves_no_worker_behind() {
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
fn exit_0_unasked_is_a_failure() {
    let place = Place::new();
    let pod = ready(worker(&place));
    let before = child(&pod);
    // TERM by somebody else: RQ stops cleanly.
    kill(before, Signal::SIGTERM);
    eventually(LONG, "a new worker", || children(&pod).into_values().find(|pid| *pid != before));
    pod.says("ended unasked");
    assert_eq!(status(&pod)["children"][0]["restart_reasons"]["crash"], 1);
}

/// A work-horse that RQ should have ended, and did not.
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
    let told = || pod.body("/readyz?verbose").contains(&format!("stuck job: {SITE}::stuck"));
    place.redis.ask::<i64>(1, &["HSET", &format!("rq:job:{SITE}::stuck"), "timeout", "1"]);
    // RQ goes by the time that it was given with the job, which has not come: it lets the horse be.
    assert!(!told(), "told too early: this test proves nothing");
    eventually(Duration::from_secs(150), "it is told", || told().then_some(()));
    pod.says("its job is past its time, and RQ has not ended it");
    assert!(lives(horse) && lives(pid));
    job.release();
}

/// What a killed supervisor that is not PID 1 leaves: nothing, and the next one has every port.
#[test]
fn a_killed_supervisor_of_all_leaves_nobody_behind() {
    let home = Home::new();
    let mut pod = home.all().start();
    pod.answers("/readyz", 200);
    let all = with_descendants(pod.pid());
    assert!(all.len() >= 7, "{all:?}");
    pod.signal(Signal::SIGKILL);
    pod.end_within(SOON);
    eventually(SOON, "nobody is left", || {
        all.iter().all(|pid| !lives(i32::try_from(*pid).expect("a pid"))).then_some(())
    });
    let mut pod = home.all().start();
    pod.answers("/readyz", 200);
}
