//! Jobs that a worker of one queue received but did not begin: each runs once.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::generations::on_each_generation;
use crate::leases::after_maintenance;
use crate::processes::{child, kill, lives};
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::binary::Pod;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::worker::{SOON, pending};

/// A pod whose only worker, of one queue, received a job while it was stopped: Redis has moved the job.
fn handed_over(stage: &RolesStage) -> (Pod, i32, PathBuf) {
    let pod = ready(stage.command("worker").set("WORKER_QUEUES", "short"));
    stage.wait_until_blocked();
    let pid = child(&pod);
    kill(pid, Signal::SIGSTOP);
    let file = stage.file("runs");
    let _ = fs::remove_file(&file);
    stage.execute("ledger.tasks.append_many", &format!("{{'path': '{}', 'count': 1}}", file.display()));
    eventually(LONG, "Redis hands the job over", || {
        (stage.registries("append-0") == ["intermediate"]).then_some(())
    });
    (pod, pid, file)
}

fn runs(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[track_caller]
fn wait_for_end(stage: &RolesStage, how: &str) {
    eventually(LONG, how, || (stage.registries("append-0") == [how]).then_some(()));
}

on_each_generation![
    a_job_stopped_by_the_gate_is_only_in_its_queue,
    a_job_whose_worker_was_killed_before_it_began_is_put_back,
    a_job_of_a_dead_pod_is_put_back_by_the_next,
    a_job_put_back_from_a_frozen_worker_runs_once,
];

fn a_job_stopped_by_the_gate_is_only_in_its_queue(stage: RolesStage) {
    let (pod, pid, file) = handed_over(&stage);
    let gate = stage.queue("x").replace("rq:queue:", "cauldron:gate:").replace(":x", "");
    stage.redis.ask::<String>(1, &["SET", &gate, "1", "EX", "60"]);
    eventually(LONG, "TERM is sent", || pending(pid).then_some(()));
    kill(pid, Signal::SIGCONT);
    eventually(LONG, "the worker ends", || (!lives(pid)).then_some(()));
    assert_eq!(stage.waiting("short"), [stage.id(SITE, "append-0")]);
    assert_eq!(stage.registries("append-0"), Vec::<String>::new());
    assert_eq!(after_maintenance(&stage, "append-0", "short"), "queued");
    stage.redis.ask::<i64>(1, &["DEL", &gate]);
    wait_for_end(&stage, "finished");
    assert_eq!(after_maintenance(&stage, "append-0", "short"), "finished");
    assert_eq!(runs(&file), 1);
    drop(pod);
}

fn a_job_whose_worker_was_killed_before_it_began_is_put_back(stage: RolesStage) {
    let (pod, pid, file) = handed_over(&stage);
    kill(pid, Signal::SIGKILL);
    wait_for_end(&stage, "finished");
    pod.says("put back job");
    assert_eq!(after_maintenance(&stage, "append-0", "short"), "finished");
    assert_eq!(runs(&file), 1);
    // Negative control: RQ's own maintenance fails it.
    let stage = stage.another();
    kill_pod_and_worker(&stage);
    let failed = after_maintenance(&stage, "append-0", "short");
    assert_eq!(failed, "failed Job was stuck in intermediate queue.");
}

/// Kills a pod together with its worker.
fn kill_pod_and_worker(stage: &RolesStage) -> PathBuf {
    let (pod, pid, file) = handed_over(stage);
    pod.signal(Signal::SIGKILL);
    kill(pid, Signal::SIGKILL);
    pod.end_within(SOON);
    file
}

/// No process of the first pod is left when the next one starts.
fn a_job_of_a_dead_pod_is_put_back_by_the_next(stage: RolesStage) {
    let file = kill_pod_and_worker(&stage);
    let next = ready(stage.command("worker").set("WORKER_QUEUES", "short,default"));
    wait_for_end(&stage, "finished");
    next.says("put back job");
    assert_eq!(runs(&file), 1);
}

/// A worker that was frozen for long finds that another worker got its job.
fn a_job_put_back_from_a_frozen_worker_runs_once(stage: RolesStage) {
    let (first, pid, file) = handed_over(&stage);
    let second = ready(stage.command("worker").set("WORKER_QUEUES", "short"));
    wait_for_end(&stage, "finished");
    second.signal(Signal::SIGTERM);
    second.end_within(SOON).exits(0);
    kill(pid, Signal::SIGCONT);
    // It continues with the next job.
    let job = stage.job("next", "short");
    job.release();
    job.wait_for_end();
    assert_eq!(runs(&file), 1);
    wait_for_end(&stage, "finished");
    first.signal(Signal::SIGTERM);
    first.end_within(SOON).exits(0);
}
