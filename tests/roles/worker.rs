//! RQ's processes under supervision: ready when they have records, stopped without losing a job, reported correctly.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::generations::on_each_generation;
use crate::processes::{child, children, kill, rounds, status};
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::binary::Binary;
use crate::support::running::Running;
use crate::support::stage::ready;
use crate::support::wait::{eventually, within};

/// Far above the duration of a stop, far below any job's timeout.
pub const SOON: Duration = Duration::from_secs(15);

pub fn worker(stage: &RolesStage) -> Binary {
    stage.command("worker").set("WORKER_QUEUES", "short,default")
}

/// True if TERM is pending for a stopped process (`ShdPnd`).
pub fn pending(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & (1 << (Signal::SIGTERM as i32 - 1)) != 0)
}

on_each_generation![
    a_worker_is_ready_with_its_record_and_removes_it,
    a_job_survives_the_stop_of_its_pod,
    an_immediate_stop_leaves_no_record,
    a_job_handed_over_during_the_stop_is_not_lost,
    a_worker_is_registered_again_after_a_restart_of_redis,
    a_worker_is_recycled_after_its_jobs_and_over_its_memory_limit,
    during_a_migration_no_worker_runs,
    a_pool_grows_with_waiting_jobs,
    a_hundred_jobs_over_rolling_restarts_finish_exactly_once,
];

fn a_worker_is_ready_with_its_record_and_removes_it(stage: RolesStage) {
    let pod = ready(stage.command("worker").set("CAULDRON_POOL", "short,default=2 long=1"));
    let names: Vec<String> = children(&pod).into_keys().collect();
    assert_eq!(names, ["worker long 1", "worker short,default 1", "worker short,default 2"]);
    eventually(LONG, "three records", || (stage.workers().len() == 3).then_some(()));
    assert!(pod.body("/readyz?verbose").contains("[+] role: ok (3 processes, 0 busy)"));
    let argv =
        fs::read_to_string(format!("/proc/{}/cmdline", children(&pod)["worker long 1"])).expect("argv");
    assert!(argv.replace('\0', " ").contains("- frappe worker --queue long"), "{argv}");
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    assert_eq!(stage.workers(), Vec::<String>::new());
}

fn a_job_survives_the_stop_of_its_pod(stage: RolesStage) {
    let pod = ready(worker(&stage));
    let job = stage.job("survivor", "short");
    job.wait_for_start();
    pod.signal(Signal::SIGTERM);
    pod.event("worker.stop_waits_for_job");
    assert_eq!(pod.probe("/readyz"), 503);
    job.release();
    pod.end_within(SOON).exits(0).says(&stage.id(SITE, "survivor"));
    assert!(job.done.exists());
    assert_eq!(stage.registries("survivor"), ["finished"]);
}

/// A TERM that comes before RQ has installed its handlers is delayed until then.
fn an_immediate_stop_leaves_no_record(stage: RolesStage) {
    for _ in 0..rounds(3) {
        let pod = worker(&stage).set("CAULDRON_LOG_LEVEL", "debug").start();
        pod.event("service.started");
        pod.signal(Signal::SIGTERM);
        pod.end_within(SOON).exits(0);
        assert_eq!(stage.workers(), Vec::<String>::new());
    }
    // Negative control: plain RQ, with TERM after its record is written and before its handlers are installed.
    let mut command = stage.bench().program("env/bin/python");
    let record_only = "import os, signal, runpy, sys\nfrom rq import Worker\n\
        def terminate(worker): os.kill(os.getpid(), signal.SIGTERM)\n\
        Worker._install_signal_handlers = terminate\n\
        sys.argv = ['bench', 'frappe', 'worker', '--queue', 'short']\n\
        runpy.run_module('frappe.utils.bench_helper', run_name='__main__')";
    command.args(["-c", record_only]).env("FRAPPE_REDIS_QUEUE", stage.redis.url(1));
    assert_eq!(Running::spawn(&mut command).exit_within(SOON), Some(-15));
    assert_eq!(stage.workers().len(), 1, "plain RQ does not fail: the test above proves nothing");
}

/// TERM arrives together with a job that Redis has just handed over.
fn a_job_handed_over_during_the_stop_is_not_lost(stage: RolesStage) {
    let crossing = |pid: i32, name: &str| {
        // It blocks in BLPOP; Redis does not know that the process is frozen.
        eventually(LONG, "the worker blocks", || {
            let clients: String = stage.redis.ask(1, &["CLIENT", "LIST"]);
            clients.lines().any(|line| line.contains("cmd=bl") || line.contains("cmd=brpop")).then_some(())
        });
        kill(pid, Signal::SIGSTOP);
        let job = stage.job(name, "short");
        job.release();
        eventually(LONG, "Redis hands the job over", || {
            let length: i64 = stage.redis.ask(1, &["LLEN", &stage.queue("short")]);
            (length == 0).then_some(())
        });
        job
    };
    let pod = ready(worker(&stage));
    let pid = child(&pod);
    let job = crossing(pid, "crossing");
    pod.signal(Signal::SIGTERM);
    // Our TERM is pending once the pod has sent it.
    eventually(LONG, "TERM is sent", || pending(pid).then_some(()));
    kill(pid, Signal::SIGCONT);
    pod.end_within(SOON).exits(0);
    assert!(job.done.exists());
    // Negative control: plain RQ loses it.
    let mut command = stage.bench().frappe(&["worker", "--queue", "short,default"]);
    let mut plain = Running::spawn(command.env("FRAPPE_REDIS_QUEUE", stage.redis.url(1)));
    eventually(LONG, "the worker listens", || plain.log().contains("Listening").then_some(()));
    let job = crossing(plain.pid() as i32, "lost");
    plain.signal(Signal::SIGTERM);
    plain.signal(Signal::SIGCONT);
    assert_eq!(plain.exit_within(SOON), Some(0));
    assert!(!job.done.exists(), "plain RQ does not fail: the test above proves nothing");
    assert_eq!(stage.registries("lost"), Vec::<String>::new());
}

fn a_worker_is_registered_again_after_a_restart_of_redis(mut stage: RolesStage) {
    let mut pod = ready(worker(&stage));
    let before = child(&pod);
    stage.redis.restart();
    eventually(LONG, "a record in rq:workers", || (stage.workers().len() == 1).then_some(()));
    assert_ne!(child(&pod), before);
    pod.answers("/readyz", 200);
    let job = stage.job("after", "default");
    job.release();
    job.wait_for_end();
    // Negative control: plain RQ never comes back to the set (contract: worker.redis_restarted.registers_again).
    stage.redis.stop();
    pod.answers("/readyz", 503);
    assert!(pod.body("/readyz").contains("the queue Redis does not answer"));
    stage.redis.start_again();
    pod.answers("/readyz", 200);
}

fn a_worker_is_recycled_after_its_jobs_and_over_its_memory_limit(stage: RolesStage) {
    let pod = ready(worker(&stage).set("CAULDRON_MAX_JOBS", 2));
    let file = stage.file("many");
    stage.execute("ledger.tasks.append_many", &format!("{{'path': '{}', 'count': 5}}", file.display()));
    eventually(LONG, "five jobs", || (fs::read_to_string(&file).ok()?.lines().count() == 5).then_some(()));
    eventually(LONG, "two recycled", || {
        (status(&pod)["children"][0]["restart_reasons"]["done"] == 2).then_some(())
    });
    assert_eq!(status(&pod)["children"][0]["restarts"], 2);
    drop(pod);
    // Every worker exceeds 1 KiB, so each is recycled once it is registered, but never during a job.
    let stage = stage.another();
    let pod = ready(worker(&stage).set("CAULDRON_MAX_MEMORY", "1Ki"));
    pod.event("worker.recycled");
    eventually(LONG, "recycled", || {
        let count = status(&pod)["children"][0]["restart_reasons"]["memory"].as_i64()?;
        (count >= 1).then_some(())
    });
    let job = stage.job("fat", "short");
    job.release();
    job.wait_for_end();
}

fn during_a_migration_no_worker_runs(stage: RolesStage) {
    let mut pod = ready(worker(&stage));
    let job = stage.job("before", "short");
    job.wait_for_start();
    let gate = stage.queue("x").replace("rq:queue:", "cauldron:gate:").replace(":x", "");
    stage.redis.ask::<String>(1, &["SET", &gate, "1", "EX", "60"]);
    pod.event("worker.stop_waits_for_job");
    job.release();
    job.wait_for_end();
    eventually(LONG, "nothing runs", || children(&pod).is_empty().then_some(()));
    // Our own migration does not make the pod unready.
    assert!(pod.body("/readyz?verbose").contains("stopped while the site is migrated"));
    assert_eq!(pod.probe("/readyz"), 200);
    let waiting = stage.job("during", "short");
    waiting.release();
    assert!(!waiting.is_done_within(Duration::from_secs(2)));
    stage.redis.ask::<i64>(1, &["DEL", &gate]);
    waiting.wait_for_end();
    pod.answers("/readyz", 200);
}

fn a_pool_grows_with_waiting_jobs(stage: RolesStage) {
    let pod = ready(stage.command("worker").set("CAULDRON_POOL", "short").set("CAULDRON_AUTOSCALE", "1..3"));
    assert_eq!(children(&pod).len(), 1);
    let jobs: Vec<_> = (0..3).map(|number| stage.job(&format!("grow-{number}"), "short")).collect();
    for job in &jobs {
        job.wait_for_start();
    }
    assert_eq!(children(&pod).len(), 3);
    for job in &jobs {
        job.release();
    }
}

/// Rolling restarts under steady load: every job runs exactly once.
fn a_hundred_jobs_over_rolling_restarts_finish_exactly_once(stage: RolesStage) {
    let (jobs, restarts) = (rounds(3) * 10, rounds(3));
    let file = stage.file("rolling");
    let kwargs = format!("{{'path': '{}', 'count': {jobs}, 'seconds': 0.2}}", file.display());
    stage.execute("ledger.tasks.append_many", &kwargs);
    let done = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    let pods = |n| stage.command("worker").set("CAULDRON_POOL", format!("short={n}"));
    let mut pod = ready(pods(2));
    for _ in 0..restarts {
        let before = done();
        eventually(LONG, "some jobs", || (done() > before + 2 || done() == jobs).then_some(()));
        let next = ready(pods(2));
        pod.signal(Signal::SIGTERM);
        pod.end_within(SOON).exits(0);
        pod = next;
    }
    eventually(Duration::from_secs(180), "every job", || (done() >= jobs).then_some(()));
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    let mut words: Vec<usize> = fs::read_to_string(&file)
        .expect("marks")
        .lines()
        .map(|word| word.parse().expect("a number"))
        .collect();
    words.sort_unstable();
    assert_eq!(words, (0..jobs).collect::<Vec<_>>());
    assert!(within(Duration::from_secs(5), || stage.workers().is_empty().then_some(())).is_some());
}

#[test]
fn unknown_queues_and_conflicting_pools_are_refused() {
    let stage = RolesStage::new();
    stage
        .command("worker")
        .set("WORKER_QUEUES", "nosuch")
        .run()
        .exits(78)
        .says("`nosuch` is not a queue of this bench");
    stage
        .command("worker")
        .set("WORKER_QUEUES", "short")
        .set("CAULDRON_POOL", "long=1")
        .run()
        .exits(78)
        .says("set together with CAULDRON_POOL");
}
