//! Jobs that Frappe 15 left in Redis, for workers of Frappe 16. RQ 2 takes no `:` in the id of a job: it drops such a
//! job without a message, and its maintenance fails at such an entry.

use std::fs;

use crate::foreign::bench_id;
use crate::processes::status;
use crate::stage::{LONG, RolesStage, SITE};
use crate::support::generation::Generation;
use crate::support::running::Running;
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::wait::eventually;

/// Enqueues with RQ 1: jobs that wait, one between two lists, one that a dead worker had started, and one of a site that
/// the bench lacks.
const LEAVE: &str = "
import sys
from redis import Redis
from rq import Queue
url, bench_id, path = sys.argv[1:]
connection = Redis.from_url(url)
def enqueue(queue, name, site='roles.test'):
    job = {'method': 'ledger.tasks.append', 'job_name': 'x', 'kwargs': {'path': path, 'word': name}}
    queue.enqueue_call('frappe.utils.background_jobs.execute_job', kwargs={'site': site, **job},
        job_id=site + '::' + name)
short, default = [Queue(bench_id + ':' + name, connection=connection) for name in ('short', 'default')]
for name in ('taken', 'short::a', 'started'):
    enqueue(short, name)
enqueue(default, 'default')
enqueue(default, 'foreign', 'other.test')
connection.lmove(short.key, short.intermediate_queue_key)
connection.rpop(short.key)
connection.hset('rq:job:roles.test::started', 'status', 'started')
connection.zadd(short.started_job_registry.key, {'roles.test::started': 1})
";

fn leave(stage: &RolesStage) {
    let file = stage.file("upgraded");
    let _ = fs::remove_file(&file);
    let mut python = RolesStage::new().bench().program("env/bin/python");
    let output = python.args(["-c", LEAVE, &stage.redis.url(1), &bench_id(stage)]).arg(&file).output();
    let output = output.expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The names of the jobs that ran.
fn ran(stage: &RolesStage) -> Vec<String> {
    let text = fs::read_to_string(stage.file("upgraded")).unwrap_or_default();
    let mut words: Vec<String> = text.lines().map(str::to_owned).collect();
    words.sort();
    words
}

#[test]
fn jobs_of_frappe_15_run_after_the_upgrade() {
    if RolesStage::new().bench().is_real() {
        skipped("jobs_of_frappe_15_run_after_the_upgrade", "it needs the RQ of both generations");
        return;
    }
    for (queues, names) in
        [("short,default", &["default", "short::a", "taken"][..]), ("short", &["short::a", "taken"])]
    {
        let stage = RolesStage::of(Generation::Frappe16).expect("a sample bench");
        leave(&stage);
        let pod = ready(stage.command("worker").set("WORKER_QUEUES", queues));
        eventually(LONG, "each runs", || (ran(&stage) == names).then_some(()));
        for name in names {
            let id = format!("{SITE}||{}", name.replace(':', "|"));
            eventually(LONG, name, || (stage.registries_of(&id) == ["finished"]).then_some(()));
        }
        let started = format!("{SITE}::started");
        eventually(LONG, "RQ fails it", || (stage.registries_of(&started) == ["failed"]).then_some(()));
        let foreign = "other.test::foreign".to_owned();
        let parked = format!("cauldron:parked:{}:other.test:default", bench_id(&stage));
        let mut kept: Vec<String> = stage.redis.ask(1, &["LRANGE", &parked, "0", "-1"]);
        kept.extend(stage.waiting("default"));
        assert!(kept.contains(&foreign), "{kept:?}");
        assert_eq!(status(&pod)["children"][0]["restarts"], 0, "{}", pod.log());
        assert_eq!(ran(&stage), names, "each ran once");
    }
    // Negative control: plain RQ 2 drops them, or ends.
    let stage = RolesStage::of(Generation::Frappe16).expect("a sample bench");
    leave(&stage);
    let mut plain = stage.bench().frappe(&["worker", "--queue", "short,default", "--burst"]);
    let mut plain = Running::spawn(plain.env("FRAPPE_REDIS_QUEUE", stage.redis.url(1)));
    assert_eq!(plain.exit_within(LONG), Some(0));
    assert!(plain.log().contains("too many values to unpack"), "{}", plain.log());
    let mut plain = stage.bench().frappe(&["worker", "--queue", "short,default", "--burst"]);
    let mut plain = Running::spawn(plain.env("FRAPPE_REDIS_QUEUE", stage.redis.url(1)));
    assert_eq!(plain.exit_within(LONG), Some(0));
    assert_eq!((stage.waiting("short"), ran(&stage)), (Vec::new(), Vec::new()));
}
