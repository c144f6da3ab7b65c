//! Jobs that a worker of one queue received but did not begin: each runs once.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::place::{LONG, Place, SITE, child, kill, lives};
use crate::support::binary::Pod;
use crate::support::running::Running;
use crate::support::wait::eventually;
use crate::worker::{SOON, pending, ready};

/// A pod whose only worker, of one queue, received a job while it was stopped: Redis has moved the job.
fn handed_over(place: &Place) -> (Pod, i32, PathBuf) {
    let pod = ready(place.command("worker").set("WORKER_QUEUES", "short"));
    place.wait_until_blocked();
    let pid = child(&pod);
    kill(pid, Signal::SIGSTOP);
    let file = place.file("runs");
    let _ = fs::remove_file(&file);
    place.execute("ledger.tasks.append_many", &format!("{{'path': '{}', 'count': 1}}", file.display()));
    eventually(LONG, "Redis hands the job over", || {
        (place.registries("append-0") == ["intermediate"]).then_some(())
    });
    (pod, pid, file)
}

fn runs(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[track_caller]
fn wait_for_end(place: &Place, how: &str) {
    eventually(LONG, how, || (place.registries("append-0") == [how]).then_some(()));
}

#[test]
fn a_job_stopped_by_the_gate_is_only_in_its_queue() {
    for place in Place::with_each_rq() {
        let (pod, pid, file) = handed_over(&place);
        let gate = place.queue("x").replace("rq:queue:", "cauldron:gate:").replace(":x", "");
        place.redis.ask::<String>(1, &["SET", &gate, "1", "EX", "60"]);
        eventually(LONG, "TERM is sent", || pending(pid).then_some(()));
        kill(pid, Signal::SIGCONT);
        eventually(LONG, "the worker ends", || (!lives(pid)).then_some(()));
        assert_eq!(place.waiting("short"), [place.id(SITE, "append-0")]);
        assert_eq!(place.registries("append-0"), Vec::<String>::new());
        place.redis.ask::<i64>(1, &["DEL", &gate]);
        wait_for_end(&place, "finished");
        assert_eq!(runs(&file), 1);
        drop(pod);
    }
}

#[test]
fn a_job_whose_worker_was_killed_before_it_began_is_put_back() {
    for place in Place::with_each_rq() {
        let (pod, pid, file) = handed_over(&place);
        kill(pid, Signal::SIGKILL);
        wait_for_end(&place, "finished");
        pod.says("put back job");
        assert_eq!(runs(&file), 1);
    }
    // Negative control: the maintenance of RQ's next worker fails it; RQ 2's waits for a minute and another worker.
    let place = Place::new();
    if place.bench().major() >= 16 {
        return;
    }
    let file = kill_pod_and_worker(&place);
    place.redis.ask::<i64>(1, &["DEL", &place.queue("short").replace("rq:queue:", "rq:clean_registries:")]);
    let mut plain = place.bench().frappe(&["worker", "--queue", "short"]);
    let _plain = Running::spawn(plain.env("FRAPPE_REDIS_QUEUE", place.redis.url(1)));
    wait_for_end(&place, "failed");
    assert_eq!(runs(&file), 0);
}

/// Kills a pod together with its worker.
fn kill_pod_and_worker(place: &Place) -> PathBuf {
    let (pod, pid, file) = handed_over(place);
    pod.signal(Signal::SIGKILL);
    kill(pid, Signal::SIGKILL);
    pod.end_within(SOON);
    file
}

/// No process of the first pod is left when the next one starts.
#[test]
fn a_job_of_a_dead_pod_is_put_back_by_the_next() {
    let place = Place::new();
    let file = kill_pod_and_worker(&place);
    let next = ready(place.command("worker").set("WORKER_QUEUES", "short,default"));
    wait_for_end(&place, "finished");
    next.says("put back job");
    assert_eq!(runs(&file), 1);
}

/// A worker that was frozen for long finds that another worker got its job.
#[test]
fn a_job_put_back_from_a_frozen_worker_runs_once() {
    for place in Place::with_each_rq() {
        let (first, pid, file) = handed_over(&place);
        let second = ready(place.command("worker").set("WORKER_QUEUES", "short"));
        wait_for_end(&place, "finished");
        second.signal(Signal::SIGTERM);
        second.end_within(SOON).exits(0);
        kill(pid, Signal::SIGCONT);
        // It continues with the next job.
        let job = place.job("next", "short");
        job.release();
        job.wait_for_end();
        assert_eq!(runs(&file), 1);
        wait_for_end(&place, "finished");
        first.signal(Signal::SIGTERM);
        first.end_within(SOON).exits(0);
    }
}
