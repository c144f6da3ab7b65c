# Puts back a job that is in `<queue>:intermediate`: a worker of one queue was killed after Redis had moved the job
# there and before the worker began it. The job is put back at most once, even if several pods try, and never if a live
# worker is about to begin it. The request comes as JSON on standard input (roles/worker/job_recovery.rs); the result goes to
# standard output as one line. Runs after executions.py.
import json
import sys

from redis import Redis
from redis.exceptions import WatchError
from rq.job import Job

BEGINS = "cauldron_begins"  # worker_jobs.py

request = json.load(sys.stdin)
connection = Redis.from_url(request["url"])
queue, job_id = request["queue"], request["job"]
intermediate = f"{queue}:intermediate"


def ids(pipe, key):
    return list(map(as_text, pipe.lrange(key, 0, -1)))


def put_back(pipe):
    """Puts the job back in one transaction, which fails if a worker records at the same time that it begins a job."""
    workers = [as_text(key) for key in pipe.smembers("rq:workers")]
    pipe.watch(intermediate, queue, *workers)
    if job_id not in ids(pipe, intermediate):
        return f"job {job_id} is no longer in the intermediate list"
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
    return f"put back job {job_id}" if waits else f"job {job_id} is not waiting: its status is {status or None}"


while True:
    with connection.pipeline() as pipe:
        try:
            pipe.watch(intermediate)
            result = put_back(pipe)
            break
        except WatchError:
            continue
print(result)
