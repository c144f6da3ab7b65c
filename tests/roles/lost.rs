//! Jobs whose worker could not finish them.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;

use crate::all::AllStage;
use crate::generations::on_each_generation;
use crate::leases::after_maintenance;
use crate::processes::{child, children, kill, lives, rounds, status};
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::tree::{Identity, alive, identity, with_descendants};
use crate::support::wait::{eventually, within};
use crate::worker::{SOON, worker};

on_each_generation![
    after_the_grace_period_a_job_is_failed_with_the_reason,
    a_repeatable_job_is_put_back_when_cut_off,
    a_killed_horse_worker_or_both_are_handled,
    a_job_whose_worker_was_killed_keeps_its_lease,
    a_killed_supervisor_leaves_no_worker_running,
    an_unrequested_exit_0_is_a_failure,
];

fn after_the_grace_period_a_job_is_failed_with_the_reason(stage: RolesStage) {
    let pod = ready(worker(&stage).set("CAULDRON_GRACE", "1s"));
    let job = stage.job("cut", "short");
    let horse = job.wait_for_start();
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0).says("cut off: its worker was stopped");
    assert!(!lives(horse));
    assert_eq!(
        (stage.registries("cut"), stage.job_field("cut", "status")),
        (vec!["failed".to_owned()], Some("failed".into()))
    );
    assert!(!job.done.exists() && stage.workers().is_empty());
    // RQ 2 would fail the job once more for an execution that is left, with another reason.
    let reason = after_maintenance(&stage, "cut", "short");
    assert!(reason.contains("failed cut off: its worker was stopped"), "{reason}");
}

fn a_repeatable_job_is_put_back_when_cut_off(stage: RolesStage) {
    let mut pod = ready(worker(&stage).set("CAULDRON_REQUEUE", "other.method,ledger.tasks.hold"));
    let job = stage.job("again", "short");
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
    let queued = after_maintenance(&stage, "again", "short");
    assert!(queued.starts_with("queued cut off"), "{queued}");
    fs::remove_file(&job.started).expect("a mark");
    let pod = ready(worker(&stage));
    job.wait_for_start();
    job.release();
    job.wait_for_end();
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    assert_eq!(after_maintenance(&stage, "again", "short"), "finished");
    assert_eq!(stage.registries("again"), ["finished"]);
}

fn a_killed_horse_worker_or_both_are_handled(stage: RolesStage) {
    let mut pod = ready(worker(&stage));
    // The horse: RQ itself handles it.
    let job = stage.job("horse", "short");
    kill(job.wait_for_start(), Signal::SIGKILL);
    eventually(LONG, "RQ fails it", || (stage.registries("horse") == ["failed"]).then_some(()));
    // The worker: its horse finishes the job alone, and a new worker starts at once.
    let (job, before) = (stage.job("worker", "short"), child(&pod));
    let horse = job.wait_for_start();
    eventually(LONG, "a poll sees the job", || {
        (status(&pod)["roles"]["worker"]["note"] == "1 processes, 1 busy").then_some(())
    });
    kill(before, Signal::SIGKILL);
    pod.event("worker.lost");
    eventually(LONG, "a new worker", || children(&pod).into_values().find(|pid| *pid != before));
    job.release();
    job.wait_for_end();
    eventually(LONG, "finished", || (stage.registries("worker") == ["finished"]).then_some(()));
    eventually(LONG, "the horse has ended", || (!lives(horse)).then_some(()));
    eventually(LONG, "the dead worker's record is deleted", || (stage.workers().len() == 1).then_some(()));
    // Both: no process is left to report the job.
    let (job, before) = (stage.job("both", "short"), child(&pod));
    let horse = job.wait_for_start();
    kill(before, Signal::SIGKILL);
    kill(horse, Signal::SIGKILL);
    eventually(LONG, "failed", || (stage.registries("both") == ["failed"]).then_some(()));
    pod.answers("/readyz", 200);
    assert_eq!(status(&pod)["children"][0]["restart_reasons"]["crash"], 2);
}

/// RQ's worker renewed the lease of its job; after 90 s, the maintenance of any other worker fails the job.
fn a_job_whose_worker_was_killed_keeps_its_lease(stage: RolesStage) {
    let pod = ready(worker(&stage));
    let job = stage.job("leased", "short");
    job.wait_for_start();
    let before = child(&pod);
    eventually(LONG, "a poll sees the job", || {
        (status(&pod)["roles"]["worker"]["note"] == "1 processes, 1 busy").then_some(())
    });
    let wip = stage.queue("short").replace("rq:queue:", "rq:wip:");
    let lease = || stage.redis.ask::<Vec<(String, f64)>>(1, &["ZRANGE", &wip, "0", "-1", "WITHSCORES"]);
    let (entry, _) = lease().pop().expect("a lease");
    let [record]: [String; 1] = stage.workers().try_into().expect("one worker");
    // As after 30 s without a heartbeat.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs_f64();
    stage.redis.ask::<i64>(1, &["ZADD", &wip, &(now + 60.0).to_string(), &entry]);
    stage.redis.ask::<i64>(1, &["EXPIRE", &record, "60"]);
    kill(before, Signal::SIGKILL);
    eventually(LONG, "the lease is renewed", || {
        lease().into_iter().find(|(job, end)| *job == entry && *end > now + 75.0)
    });
    assert!(stage.redis.ask::<i64>(1, &["TTL", &record]) > 60, "the record expires");
    job.release();
    job.wait_for_end();
    eventually(LONG, "finished", || (stage.registries("leased") == ["finished"]).then_some(()));
}

fn a_killed_supervisor_leaves_no_worker_running(stage: RolesStage) {
    let pod = ready(worker(&stage));
    let (job, pid) = (stage.job("orphan", "short"), child(&pod));
    job.wait_for_start();
    pod.signal(Signal::SIGKILL);
    pod.end_within(SOON);
    job.release();
    job.wait_for_end();
    eventually(LONG, "the worker ends", || (!lives(pid)).then_some(()));
    assert_eq!(stage.registries("orphan"), ["finished"]);
}

fn an_unrequested_exit_0_is_a_failure(stage: RolesStage) {
    let pod = ready(worker(&stage));
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
    let stage = RolesStage::new();
    let pod = ready(worker(&stage));
    let (job, pid) = (stage.job("stuck", "short"), child(&pod));
    let horse = job.wait_for_start();
    let id = stage.id(SITE, "stuck");
    let is_reported = || pod.body("/readyz?verbose").contains(&format!("stuck job: {id}"));
    stage.redis.ask::<i64>(1, &["HSET", &format!("rq:job:{id}"), "timeout", "1"]);
    // RQ uses the timeout that it read with the job, which is not over: it does not end the horse.
    assert!(!is_reported(), "reported too early: this test proves nothing");
    eventually(Duration::from_secs(150), "it is reported", || is_reported().then_some(()));
    pod.event("job.stuck");
    assert!(lives(horse) && lives(pid));
    job.release();
}

/// A killed supervisor that is not PID 1 leaves no process, and the next one can bind every port at once.
#[test]
fn a_killed_supervisor_of_all_leaves_no_process_running() {
    let stage = AllStage::new();
    let runtime = tempfile::tempdir().expect("a runtime folder for both");
    let all = || {
        // gunicorn's quick shutdown may take the whole grace period
        // (docs/frappe-contract.md#deadlocked-quick-shutdown).
        let command = stage.all().set("CAULDRON_GRACE", "5s");
        ready(command.set("CAULDRON_RUNTIME_DIR", runtime.path().display()))
    };
    let pod = all();
    let first: Vec<Identity> = with_descendants(pod.pid()).into_iter().filter_map(identity).collect();
    assert!(first.len() >= 7, "{first:?}");
    pod.signal(Signal::SIGKILL);
    pod.end_within(SOON);
    let _next = all();
    let ended = within(SOON, || alive(&first).is_empty().then_some(()));
    assert!(ended.is_some(), "these still run: {:?}", alive(&first));
}
