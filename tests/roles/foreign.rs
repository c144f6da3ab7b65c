//! Two installations with the same queue names in one Redis: no worker begins a job of a site that it lacks.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::generations::on_each_generation;
use crate::job::Job;
use crate::processes::{child, children, kill};
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::bench::Bench;
use crate::support::binary::{Binary, Pod};
use crate::support::other_app::OtherApp;
use crate::support::running::Running;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::worker::SOON;

const OTHER: &str = "other.test";

/// Enqueues jobs in `short` through RQ, each with an id and a site; a job without a site is not Frappe's. One argument
/// is of a class that only the other installation has.
const ENQUEUE: &str = "
import json, os, sys, types
from redis import Redis
from rq import Queue
class Only: pass
there = sys.modules['only_there'] = types.ModuleType('only_there')
there.Only, Only.__module__ = Only, 'only_there'
queue = Queue(sys.argv[2], connection=Redis.from_url(sys.argv[1]))
for id, site in json.loads(sys.argv[3]):
    if site is None:
        queue.enqueue_call('os.getpid', job_id=id)
    else:
        arguments = {'method': 'ledger.tasks.close_the_day', 'job_name': 'x', 'kwargs': {'only': Only()}}
        queue.enqueue_call('frappe.utils.background_jobs.execute_job', kwargs={'site': site, **arguments}, job_id=id)
";

pub fn enqueue(stage: &RolesStage, jobs: &[(&str, Option<&str>)]) {
    let queue = stage.queue("short").replace("rq:queue:", "");
    let mut python = stage.bench().program("env/bin/python");
    let jobs = serde_json::to_string(jobs).expect("JSON");
    let output =
        python.args(["-c", ENQUEUE, &stage.redis.url(1), &queue, &jobs]).output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub fn worker(stage: &RolesStage, queues: &str) -> Binary {
    stage.command("worker").set("WORKER_QUEUES", queues)
}

/// A worker of the previous release, which runs a job of `default` and therefore takes none of `short`.
pub struct EarlierRelease {
    pub pod: Pod,
    pub job: Job,
}

impl EarlierRelease {
    pub fn busy(stage: &RolesStage) -> Self {
        let job = stage.job("busy", "default");
        let pod = ready(worker(stage, "default,short").of_the_previous_release());
        job.wait_for_start();
        Self { pod, job }
    }
}

fn counted(pod: &Pod) -> String {
    let metrics = pod.body("/metrics");
    let line = metrics.lines().find(|line| line.starts_with("cauldron_frappe_foreign_jobs_total "));
    line.and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned()
}

pub fn bench_id(stage: &RolesStage) -> String {
    stage.queue("x").replace("rq:queue:", "").replace(":x", "")
}

on_each_generation![
    jobs_of_a_missing_site_stay_and_own_jobs_run,
    two_installations_on_one_redis_run_their_own_jobs,
];

fn jobs_of_a_missing_site_stay_and_own_jobs_run(stage: RolesStage) {
    for queues in ["short", "short,default"] {
        stage.redis.ask::<String>(1, &["FLUSHALL"]);
        own_jobs_pass(&stage, queues);
    }
    // Negative control: plain RQ fails the job.
    let stage = stage.another();
    let id = stage.id(OTHER, "lost");
    enqueue(&stage, &[(&id, Some(OTHER))]);
    let mut plain = stage.bench().frappe(&["worker", "--queue", "short"]);
    let _plain = Running::spawn(plain.env("FRAPPE_REDIS_QUEUE", stage.redis.url(1)));
    eventually(LONG, "it fails", || (stage.registries_of(&id) == ["failed"]).then_some(()));
}

fn own_jobs_pass(stage: &RolesStage, queues: &str) {
    let claim = format!("cauldron:claim:{}:{OTHER}", bench_id(stage));
    stage.redis.ask::<String>(1, &["SET", &claim, "installation-b", "EX", "60"]);
    let ids = ["1", "2", "3"].map(|name| stage.id(OTHER, name));
    // One job waits before the start, and others are handed to an idle worker.
    enqueue(stage, &[(&ids[0], Some(OTHER))]);
    let pod = ready(worker(stage, queues));
    enqueue(stage, &[(&ids[1], Some(OTHER)), ("free", None), ("odd||1", None), (&ids[2], Some(OTHER))]);
    for name in ["own-1", "own-2"] {
        let job = stage.job(name, "short");
        job.release();
        job.wait_for_end();
        let _ = fs::remove_file(&job.done);
    }
    for id in ["free", "odd||1"] {
        eventually(LONG, "a job without a site", || (stage.registries_of(id) == ["finished"]).then_some(()));
    }
    pod.event("queue.foreign_jobs_found");
    for text in [OTHER, "installation-b"] {
        pod.says(text);
    }
    eventually(LONG, "three are counted", || (counted(&pod) == "3").then_some(()));
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
    let mut waiting = stage.waiting("short");
    waiting.sort();
    assert_eq!(waiting, ids, "{queues}");
    for id in &ids {
        assert_eq!(stage.registries_of(id), Vec::<String>::new());
    }
}

/// A worker of the previous release listens to the queue, and would not find parked jobs: no job is moved, and Redis is
/// queried once a second.
#[test]
fn beside_an_earlier_release_foreign_jobs_are_checked_once_a_second_and_not_moved() {
    let stage = RolesStage::new();
    let _earlier = EarlierRelease::busy(&stage);
    let ids: Vec<String> = (0..50).map(|number| stage.id(OTHER, &format!("{number:02}"))).collect();
    enqueue(&stage, &ids.iter().map(|id| (id.as_str(), Some(OTHER))).collect::<Vec<_>>());
    let pod = ready(worker(&stage, "short,default"));
    eventually(LONG, "all are counted", || (counted(&pod) == "50").then_some(()));
    stage.redis.ask::<String>(1, &["CONFIG", "RESETSTAT"]);
    let begin = Instant::now();
    let calls = |command: &str| {
        let stats: String = stage.redis.ask(1, &["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.and_then(|line| line.split(',').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    // Each check watches two queues.
    let checks = eventually(LONG, "four checks", || Some(calls("watch") / 2).filter(|checks| *checks >= 4));
    assert!(begin.elapsed() >= Duration::from_secs(checks - 1), "{checks} checks in {:?}", begin.elapsed());
    for command in ["blpop", "blmove", "lpop", "lmove", "rpush", "lpush", "lrem"] {
        assert_eq!(calls(command), 0, "{command}");
    }
    assert_eq!(stage.waiting("short"), ids, "their order");
    // A worker that is killed loses no job.
    for _ in 0..3 {
        let before = child(&pod);
        kill(before, Signal::SIGKILL);
        eventually(LONG, "another", || children(&pod).into_values().find(|pid| *pid != before));
    }
    assert_eq!(stage.waiting("short"), ids);
}

/// Each has its own site; both have the same queues.
fn two_installations_on_one_redis_run_their_own_jobs(stage: RolesStage) {
    let mut other = Bench::sample_of(stage.generation);
    OtherApp::add(&mut other).set_listed(true);
    other.connect(&stage.shared.postgres, &stage.redis);
    other.configure(serde_json::json!({"bench_id": bench_id(&stage)}));
    other.new_site(OTHER, "roles_other");
    assert_eq!(other.run(&["--site", OTHER, "install-app", "ledger"]).exit, Some(0));
    let theirs = Binary::on(&other, &["worker"])
        .servers(&stage.shared.postgres, &stage.redis)
        .set("SITE_NAME", OTHER)
        .set("WORKER_QUEUES", "short,default");
    let pods = [ready(worker(&stage, "short")), ready(theirs)];
    let kwargs = |file: &std::path::Path| format!("{{'path': '{}', 'count': 20}}", file.display());
    stage.execute("ledger.tasks.append_many", &kwargs(&stage.file("ours")));
    let theirs = kwargs(&stage.file("theirs"));
    other.run(&["--site", OTHER, "execute", "ledger.tasks.append_many", "--kwargs", &theirs]);
    for number in 0..20 {
        for site in [SITE, OTHER] {
            let id = stage.id(site, &format!("append-{number}"));
            eventually(LONG, &id, || (stage.registries_of(&id) == ["finished"]).then_some(()));
        }
    }
    for name in ["ours", "theirs"] {
        let lines = fs::read_to_string(stage.file(name)).expect("marks");
        assert_eq!(lines.lines().count(), 20, "{lines}");
    }
    for pod in pods {
        pod.signal(Signal::SIGTERM);
        pod.end_within(SOON).exits(0);
    }
}
