//! Another `bench_id`: waiting, scheduled and deferred jobs of our own sites move to the new names of the queues.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use redis::FromRedisValue;
use serde_json::json;

use crate::generations::on_each_generation;
use crate::stage::{LONG, RolesStage};
use crate::support::bench::Bench;
use crate::support::binary::{Binary, Pod};
use crate::support::other_app::OtherApp;
use crate::support::stage::ready;
use crate::support::wait::{eventually, within};
use crate::worker::SOON;

/// Enqueues two jobs that wait for another time or job, in `short` of the id that is given.
const LATER: &str = "
import sys
from datetime import datetime, timedelta
from redis import Redis
from rq import Queue
queue = Queue(sys.argv[2] + ':short', connection=Redis.from_url(sys.argv[1]))
site, path, separator = sys.argv[3], sys.argv[4], sys.argv[5]
def call(name, site=site):
    kwargs = {'site': site, 'method': 'ledger.tasks.append', 'job_name': 'x', 'kwargs': {'path': path, 'word': name}}
    kwargs = {'kwargs': kwargs, 'job_id': site + separator + name}
    return 'frappe.utils.background_jobs.execute_job', kwargs
function, arguments = call('parent')
parent = queue.enqueue(function, **arguments)
function, arguments = call('deferred')
queue.enqueue(function, depends_on=parent, **arguments)
function, arguments = call('scheduled')
queue.enqueue_at(datetime.now() + timedelta(hours=1), function, **arguments)
function, arguments = call('foreign', 'elsewhere.test')
queue.enqueue(function, **arguments)
";

const SITE: &str = "moves.test";
const COMMON: &str = "common_site_config.json";

/// A bench whose id can change.
struct Changing {
    stage: RolesStage,
    bench: Bench,
    marks: PathBuf,
}

impl Changing {
    fn new(stage: RolesStage) -> Self {
        let mut bench = Bench::sample_of(stage.generation);
        OtherApp::add(&mut bench).set_listed(true);
        bench.connect(&stage.shared.postgres, &stage.redis);
        bench.new_site(SITE, &format!("moves_{}", stage.redis.port()));
        assert_eq!(bench.run(&["--site", SITE, "install-app", "ledger"]).exit, Some(0));
        let marks = bench.path().join("marks");
        Self { stage, bench, marks }
    }

    /// Replaces common_site_config.json in one step: a job that reads half a file fails.
    fn rename(&self, id: &str, former: &[&str]) {
        let mut config = self.bench.read_config(COMMON);
        config.insert("bench_id".into(), id.into());
        config.insert("cauldron_former_bench_ids".into(), json!(former));
        let new = self.bench.sites().join("new.json");
        fs::write(&new, serde_json::to_string(&config).expect("JSON")).expect("the new file");
        fs::rename(new, self.bench.sites().join(COMMON)).expect("common_site_config.json");
    }

    /// Two queues: with one, RQ's maintenance in the previous release fails a job that another worker is about to begin
    /// (docs/frappe-jobs.md#intermediate-queue).
    fn worker(&self) -> Binary {
        let worker = Binary::on(&self.bench, &["worker"]).set("PYTHONPATH", self.python_path());
        worker
            .servers(&self.stage.shared.postgres, &self.stage.redis)
            .set("SITE_NAME", SITE)
            .set("WORKER_QUEUES", "short,default")
    }

    fn python_path(&self) -> String {
        self.bench.path().join("other-apps").display().to_string()
    }

    /// Enqueues jobs in `short` of the present id, as Frappe does.
    fn enqueue(&self, count: usize) {
        let kwargs = format!("{{'path': '{}', 'count': {count}}}", self.marks.display());
        let words = ["--site", SITE, "execute", "ledger.tasks.append_many", "--kwargs", &kwargs];
        let mut command = self.bench.frappe(&words);
        command.env("FRAPPE_REDIS_QUEUE", self.stage.redis.url(1)).env("PYTHONPATH", self.python_path());
        command.output().expect("python runs");
    }

    /// Enqueues a job that is done, one that is deferred until then, one for later, and one of another site.
    fn enqueue_later(&self, id: &str) {
        let mut python = self.bench.program("env/bin/python");
        let (url, marks) = (self.stage.redis.url(1), self.marks.display().to_string());
        let separator = self.stage.id("", "");
        python.env("PYTHONPATH", self.python_path());
        let output = python.args(["-c", LATER, &url, id, SITE, &marks, &separator]).output().expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn done(&self) -> Vec<String> {
        lines(&self.marks)
    }

    #[track_caller]
    fn wait_for(&self, count: usize) {
        let enough = within(LONG * 4, || (self.done().len() >= count).then_some(()));
        assert!(enough.is_some(), "{} of {count} jobs are done: {:?}", self.done().len(), self.others());
    }

    /// The jobs that are not finished, each with what RQ records of it.
    fn others(&self) -> Vec<(String, Vec<Option<String>>)> {
        let keys: Vec<String> = self.ask(&["KEYS", "rq:job:*"]);
        let fields = |key: &str| {
            self.ask::<Vec<Option<String>>>(&["HMGET", key, "status", "origin", "exc_info", "worker_name"])
        };
        let jobs = keys.into_iter().map(|key| (key.clone(), fields(&key)));
        jobs.filter(|(_, fields)| fields[0].as_deref() != Some("finished")).collect()
    }

    fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.stage.redis.ask(1, words)
    }
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[track_caller]
fn stop(pod: Pod) {
    pod.signal(Signal::SIGTERM);
    pod.end_within(SOON).exits(0);
}

on_each_generation![waiting_scheduled_and_deferred_jobs_move_in_order];

fn waiting_scheduled_and_deferred_jobs_move_in_order(stage: RolesStage) {
    let bench = Changing::new(stage);
    bench.rename("old", &[]);
    bench.enqueue(40);
    bench.enqueue_later("old");
    let [scheduled, foreign] =
        [(SITE, "scheduled"), ("elsewhere.test", "foreign")].map(|(site, name)| bench.stage.id(site, name));
    let time: String = bench.ask(&["ZSCORE", "rq:scheduled:old:short", &scheduled]);
    bench.rename("new", &["older", "old"]);
    let pod = ready(bench.worker());
    pod.event("jobs.moved");
    bench.wait_for(42);
    let mut expected: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    expected.extend(["parent".into(), "deferred".into()]);
    assert_eq!(bench.done(), expected);
    assert_eq!(bench.ask::<String>(&["ZSCORE", "rq:scheduled:new:short", &scheduled]), time);
    let origin: String = bench.ask(&["HGET", &format!("rq:job:{scheduled}"), "origin"]);
    assert_eq!(origin, "new:short");
    assert_eq!(bench.ask::<usize>(&["EXISTS", "rq:scheduled:old:short", "rq:deferred:old:short"]), 0);
    assert_eq!(bench.ask::<Vec<String>>(&["LRANGE", "rq:queue:old:short", "0", "-1"]), [foreign]);
    // Pods of the former id still enqueue.
    bench.enqueue_later("old");
    eventually(LONG, "they run too", || (bench.done().len() == 44).then_some(()));
    stop(pod);
}

/// Frappe reads the id for each job; the new pods may never start.
#[test]
fn until_a_worker_of_the_new_id_starts_pods_of_the_old_one_run_its_jobs() {
    let bench = Changing::new(RolesStage::new());
    bench.rename("old", &[]);
    let old = ready(bench.worker());
    bench.rename("new", &["old"]);
    bench.enqueue(5);
    assert_eq!(bench.ask::<usize>(&["SISMEMBER", "rq:queues", "rq:queue:new:short"]), 1);
    bench.wait_for(5);
    assert_eq!(bench.done(), ["0", "1", "2", "3", "4"]);
    stop(old);
}

/// The pods of the old id are of the previous release and of this one; the change is taken back half way.
#[test]
fn a_thousand_jobs_through_a_change_and_back_run_once_each() {
    let bench = Changing::new(RolesStage::new());
    bench.rename("old", &[]);
    bench.enqueue(1000);
    let old = ready(bench.worker());
    let earlier = ready(bench.worker().of_the_previous_release());
    bench.wait_for(50);
    bench.rename("new", &["old"]);
    let new = ready(bench.worker());
    new.event("jobs.moved");
    bench.wait_for(350);
    bench.rename("old", &["new", "old"]);
    bench.wait_for(600);
    stop(new);
    stop(old);
    let last = ready(bench.worker());
    bench.wait_for(1000);
    stop(last);
    stop(earlier);
    let mut words: Vec<usize> = bench.done().iter().map(|word| word.parse().expect("a number")).collect();
    words.sort_unstable();
    assert_eq!(words, (0..1000).collect::<Vec<_>>());
    for id in ["old", "new"] {
        let queue = format!("rq:queue:{id}:short");
        assert_eq!(bench.ask::<usize>(&["EXISTS", &queue, &format!("{queue}:intermediate")]), 0);
    }
}

/// A copy has the former ids of its original, and a site of the same name.
#[test]
fn jobs_of_a_site_that_another_installation_claims_stay() {
    let bench = Changing::new(RolesStage::new());
    bench.rename("old", &[]);
    bench.enqueue(5);
    let claim = format!("cauldron:claim:old:{SITE}");
    bench.ask::<String>(&["SET", &claim, "another-installation", "EX", "600"]);
    bench.rename("new", &["old"]);
    let pod = ready(bench.worker());
    let claims_read = || {
        let stats: String = bench.ask(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls="));
        line.and_then(|line| line.split(',').next()?.parse::<u64>().ok()).unwrap_or_default()
    };
    bench.ask::<String>(&["CONFIG", "RESETSTAT"]);
    // More than one poll: each reads the claims once for each of the queues.
    eventually(LONG, "it was looked at again", || (claims_read() > 8).then_some(()));
    assert_eq!(bench.ask::<usize>(&["LLEN", "rq:queue:old:short"]), 5);
    assert_eq!(bench.done(), Vec::<String>::new());
    bench.ask::<usize>(&["DEL", &claim]);
    bench.wait_for(5);
    stop(pod);
}
