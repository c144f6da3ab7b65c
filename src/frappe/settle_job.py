# Settles the job that an RQ worker had in hand when it ended without saying so: failed with a reason, by RQ's own
# code, and put back only if its method may run twice. What is asked comes as JSON on standard input
# (role/worker/settle.rs); what was done goes to standard output, in a line. Run after executions.py.
import json
import sys
from datetime import datetime, timezone

from redis import Redis
from rq import Queue, Worker
from rq.job import Job, JobStatus

asked = json.load(sys.stdin)
connection = Redis.from_url(asked["url"])
worker = Worker.find_by_key(asked["worker"], connection=connection)
said = "it had no job in hand"
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
            worker.handle_job_failure(job, Queue(job.origin, connection=connection), exc_string=asked["reason"])
            said = f"failed job {job_id}"
            try:
                method = str(job.kwargs.get("method", job.func_name))
            except Exception as error:  # its arguments may name what only the site can import
                method = f"(unknown: {error})"
            if method in asked["requeue"]:
                job.requeue()
                said = f"put back job {job_id} ({method})"
    worker.register_death()
print(said)
