//! Jobs of a site that may not run here are parked outside the queues, and come back in order.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::foreign::{EarlierRelease, bench_id, enqueue, worker};
use crate::generations::on_each_generation;
use crate::processes::{child, children, kill, status};
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::binary::Pod;
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::worker::SOON;

const OTHER: &str = "parked.test";
const MANY: usize = 10_000;

/// Writes many jobs as RQ does, in one pipeline.
const ENQUEUE_MANY: &str = "
import sys
from redis import Redis
from rq import Queue
connection = Redis.from_url(sys.argv[1])
queue, prefix = Queue(sys.argv[2], connection=connection), sys.argv[3]
arguments = {'site': prefix[:-2], 'method': 'ledger.tasks.close_the_day', 'job_name': 'x', 'kwargs': {}}
execute = 'frappe.utils.background_jobs.execute_job'
with connection.pipeline() as pipe:
    queue.enqueue_many(
        [Queue.prepare_data(execute, kwargs=arguments, job_id=f'{prefix}{n:05}') for n in range(int(sys.argv[4]))],
        pipeline=pipe,
    )
    pipe.execute()
";

const CANCEL: &str = "
import sys
from redis import Redis
from rq.job import Job
Job.fetch(sys.argv[2], connection=Redis.from_url(sys.argv[1])).cancel()
";

fn python(stage: &RolesStage, program: &str, words: &[&str]) {
    let mut python = stage.bench().program("env/bin/python");
    python.args(["-c", program, &stage.redis.url(1)]).args(words);
    let output = python.output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Enqueues `MANY` jobs of `OTHER` in `short`, and returns their ids in order.
fn enqueue_many(stage: &RolesStage) -> Vec<String> {
    let queue = stage.queue("short").replace("rq:queue:", "");
    python(stage, ENQUEUE_MANY, &[&queue, &stage.id(OTHER, ""), &MANY.to_string()]);
    (0..MANY).map(|number| stage.id(OTHER, &format!("{number:05}"))).collect()
}

fn set(stage: &RolesStage) -> String {
    format!("cauldron:parked:{}", bench_id(stage))
}

/// The ids of the parked jobs of a site in `short`, in order.
fn parked(stage: &RolesStage, site: &str) -> Vec<String> {
    stage.redis.ask(1, &["LRANGE", &format!("{}:{site}:short", set(stage)), "0", "-1"])
}

#[track_caller]
fn wait_until_parked(stage: &RolesStage, site: &str, count: usize) {
    eventually(LONG, "all are parked", || (parked(stage, site).len() == count).then_some(()));
}

fn calls(stage: &RolesStage, command: &str) -> u64 {
    let stats: String = stage.redis.ask(1, &["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[track_caller]
fn stop(pod: Pod) {
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
}

on_each_generation![
    many_parked_jobs_keep_no_worker_busy_and_return_in_order,
    parked_jobs_run_in_order_where_their_site_is,
];

fn many_parked_jobs_keep_no_worker_busy_and_return_in_order(stage: RolesStage) {
    let ids = enqueue_many(&stage);
    let pod = ready(worker(&stage, "short"));
    wait_until_parked(&stage, OTHER, MANY);
    assert_eq!(parked(&stage, OTHER), ids);
    assert_eq!(stage.waiting("short"), Vec::<String>::new(), "KEDA counts this list");
    pod.event("queue.jobs_parked");
    let line = format!("cauldron_frappe_parked_jobs{{site=\"{OTHER}\"}} 10000");
    eventually(LONG, "the metric", || pod.body("/metrics").contains(&line).then_some(()));
    assert_eq!(status(&pod)["parked_jobs"][OTHER], MANY);
    // A job that is enqueued after them does not wait for them.
    let job = stage.job("own", "short");
    job.release();
    job.wait_for_end();
    stage.wait_until_blocked();
    stage.redis.ask::<String>(1, &["CONFIG", "RESETSTAT"]);
    let begin = Instant::now();
    let looks = eventually(LONG, "some looks", || Some(calls(&stage, "blmove")).filter(|n| *n >= 4));
    assert!(begin.elapsed().as_secs() >= looks - 2, "{looks} looks in {:?}", begin.elapsed());
    for command in ["eval", "lrange", "rpush", "lpush", "lpop"] {
        // The supervisor reads `intermediate` in each of its polls.
        let polls = if command == "lrange" { calls(&stage, "sort") } else { 0 };
        assert!(calls(&stage, command) <= polls, "{command}");
    }
    // No later worker of an earlier release would find them.
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0).says("queue.parked_jobs_put_back");
    assert_eq!(stage.waiting("short"), ids);
    assert_eq!(stage.redis.ask::<usize>(1, &["EXISTS", &set(&stage)]), 0);
}

#[test]
fn a_killed_worker_leaves_each_job_in_one_list() {
    let stage = RolesStage::new();
    let ids = enqueue_many(&stage);
    let pod = ready(worker(&stage, "short"));
    for _ in 0..3 {
        let before = child(&pod);
        kill(before, Signal::SIGKILL);
        eventually(LONG, "another", || children(&pod).into_values().find(|pid| *pid != before));
    }
    wait_until_parked(&stage, OTHER, MANY);
    assert_eq!(parked(&stage, OTHER), ids);
    assert_eq!(stage.waiting("short"), Vec::<String>::new());
}

/// A second name of the site, which only pods that start later know.
struct Alias(PathBuf);

impl Alias {
    fn new(stage: &RolesStage, name: &str) -> Self {
        let link = stage.bench().sites().join(name);
        symlink(SITE, &link).expect("an alias");
        Self(link)
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// One pod parks the jobs of a site that it lacks, and another one, which has the site, takes them from there.
fn parked_jobs_run_in_order_where_their_site_is(stage: RolesStage) {
    let name = "later.test";
    let first = ready(worker(&stage, "short"));
    let alias = Alias::new(&stage, name);
    let file = stage.file("later");
    let enqueue = || {
        let kwargs = format!("{{'path': '{}', 'count': 30}}", file.display());
        stage.execute_on(name, "ledger.tasks.append_many", &kwargs);
    };
    enqueue();
    wait_until_parked(&stage, name, 30);
    first.event("queue.jobs_parked");
    python(&stage, CANCEL, &[&stage.id(name, "append-7")]);
    let second = ready(worker(&stage, "short"));
    let done = || fs::read_to_string(&file).unwrap_or_default();
    eventually(LONG, "the jobs run", || (done().lines().count() == 29).then_some(()));
    let expected: Vec<String> = (0..30).filter(|n| *n != 7).map(|n: usize| n.to_string()).collect();
    assert_eq!(done().lines().collect::<Vec<_>>(), expected);
    first.event("queue.no_jobs_parked");
    // Both wait for jobs, and the first is handed some of the second's.
    fs::remove_file(&file).expect("the marks");
    enqueue();
    eventually(LONG, "the jobs run", || (done().lines().count() == 30).then_some(()));
    let mut words: Vec<usize> = done().lines().map(|word| word.parse().expect("a number")).collect();
    words.sort_unstable();
    assert_eq!(words, (0..30).collect::<Vec<_>>());
    assert_eq!(parked(&stage, name), Vec::<String>::new());
    drop(alias);
    stop(first);
    stop(second);
}

/// A worker of the previous release does not know the lists.
#[test]
fn parked_jobs_are_back_in_their_queue_when_an_earlier_release_starts() {
    let stage = RolesStage::new();
    let ids: Vec<String> = (0..20).map(|number| stage.id(OTHER, &format!("{number:02}"))).collect();
    enqueue(&stage, &ids.iter().map(|id| (id.as_str(), Some(OTHER))).collect::<Vec<_>>());
    let pod = ready(worker(&stage, "short"));
    wait_until_parked(&stage, OTHER, 20);
    let earlier = EarlierRelease::busy(&stage);
    pod.event("queue.parked_jobs_put_back");
    // An idle worker is handed the first one, and puts it back.
    eventually(LONG, "they are in their queue", || (stage.waiting("short") == ids).then_some(()));
    // They stay there, and a job of our own passes them.
    let job = stage.job("own", "short");
    job.release();
    job.wait_for_end();
    assert_eq!(stage.waiting("short"), ids);
    earlier.pod.signal(Signal::SIGTERM);
    earlier.job.release();
    earlier.pod.end_within(SOON).exits(0);
    // From now on every worker of the queue knows the lists.
    wait_until_parked(&stage, OTHER, 20);
    assert_eq!(parked(&stage, OTHER), ids);
}
