//! What RQ's own maintenance makes of a job, with the clock far ahead.

use crate::stage::{RolesStage, SITE};

/// Runs the maintenance of registries as if the lease of every running job were over, and that of the intermediate list
/// as if its jobs had been there for long.
const MAINTAIN: &str = "
import sys, time
from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.registry import StartedJobRegistry
url, name, id = sys.argv[1:]
connection = Redis.from_url(url)
queue = Queue(name, connection=connection)
for waits in connection.lrange(queue.intermediate_queue_key, 0, -1):
    connection.set(queue.intermediate_queue_key + ':first_seen:' + waits.decode(), 1)
StartedJobRegistry(name, connection=connection).cleanup(time.time() + 1_000_000)
worker = Worker([queue], connection=connection)
if hasattr(queue, 'intermediate_queue'):
    queue.intermediate_queue.cleanup(worker, queue)
else:
    from rq.maintenance import clean_intermediate_queue
    clean_intermediate_queue(worker, queue)
job = Job.fetch(id, connection=connection)
print(getattr(job.get_status(), 'value', job.get_status()), job.exc_info or '')
";

/// A job's status and reason after RQ's maintenance of its queue.
#[track_caller]
pub fn after_maintenance(stage: &RolesStage, name: &str, queue: &str) -> String {
    let queue = stage.queue(queue).replace("rq:queue:", "");
    let mut python = stage.bench().program("env/bin/python");
    python.args(["-c", MAINTAIN, &stage.redis.url(1), &queue, &stage.id(SITE, name)]);
    let output = python.output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
