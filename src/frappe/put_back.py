# Puts a job back that stands in `<queue>:intermediate`: a worker of one queue was killed after Redis had moved it there and
# before it began. At most once, even where several pods try, and never a job that a living worker is about to begin. What is asked
# comes as JSON on standard input (role/worker/settle.rs); what was done goes to standard output, in a line. Run after
# executions.py.
import json
import sys

from redis import Redis
from redis.exceptions import WatchError
from rq.job import Job

BEGINS = "cauldron_begins"  # worker_jobs.py

asked = json.load(sys.stdin)
connection = Redis.from_url(asked["url"])
queue, job_id = asked["queue"], asked["job"]
intermediate = f"{queue}:intermediate"


def ids(pipe, key):
    return list(map(as_text, pipe.lrange(key, 0, -1)))


def put_back(pipe):
    """In one transaction, which fails if a worker writes meanwhile that it begins a job."""
    workers = [as_text(key) for key in pipe.smembers("rq:workers")]
    pipe.watch(intermediate, queue, *workers)
    if job_id not in ids(pipe, intermediate):
        return f"job {job_id} was taken meanwhile"
    if any(as_text(pipe.hget(worker, BEGINS) or "") == job_id for worker in workers):
        return f"job {job_id} is about to begin"
    status = as_text(pipe.hget(f"rq:job:{job_id}", "status") or "")
    waits = status == "queued" and job_id not in ids(pipe, queue)
    pipe.multi()
    pipe.lrem(intermediate, 1, job_id)
    if waits:
        delete_executions(Job.fetch(job_id, connection=connection), connection, pipe)
        pipe.lpush(queue, job_id)
    pipe.execute()
    return f"put back job {job_id}" if waits else f"job {job_id} is not waiting there: its status is {status or None}"


while True:
    with connection.pipeline() as pipe:
        try:
            pipe.watch(intermediate)
            said = put_back(pipe)
            break
        except WatchError:
            continue
print(said)
