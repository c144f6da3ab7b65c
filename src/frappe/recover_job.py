# Recovers the job that an RQ worker was running when it ended unexpectedly: RQ's own code fails it with a reason, and
# it is put back only if its method may run twice. The request comes as JSON on standard input
# (roles/worker/job_recovery.rs); the result goes to standard output as one line. Runs after executions.py.
import json
import sys
from datetime import datetime, timezone

from redis import Redis
from rq import Queue, Worker
from rq.job import Job, JobStatus

request = json.load(sys.stdin)
connection = Redis.from_url(request["url"])
worker = Worker.find_by_key(request["worker"], connection=connection)
result = "it was running no job"
if worker is not None:
    job_id = worker.get_current_job_id()
    if isinstance(job_id, bytes):
        job_id = job_id.decode()
    if job_id and Job.exists(job_id, connection=connection):
        job = Job.fetch(job_id, connection=connection)
        if job.get_status() == JobStatus.STARTED:
            now = datetime.now(timezone.utc)
            aware = getattr(job.started_at, "tzinfo", None) is not None
            job.ended_at = job.ended_at or (now if aware else now.replace(tzinfo=None))
            with connection.pipeline() as pipe:
                delete_executions(job, connection, pipe)
                pipe.execute()
            worker.handle_job_failure(job, Queue(job.origin, connection=connection), exc_string=request["reason"])
            result = f"failed job {job_id}"
            try:
                method = str(job.kwargs.get("method", job.func_name))
            except Exception as error:  # the arguments may need classes that only the site can import
                method = f"(unknown: {error})"
            if method in request["requeue"]:
                job.requeue()
                result = f"put back job {job_id} ({method})"
    worker.register_death()
print(result)
