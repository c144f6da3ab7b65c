# Renews what an RQ worker renews while its work-horse runs: the worker was killed, and its work-horse continues. Without
# it, RQ's maintenance fails the running job after 90 s, a migration does not wait for the job, and the record that names
# the job expires. The request comes as JSON on standard input (roles/worker/job_recovery.rs). Runs after executions.py.
import json
import sys

from redis import Redis
from rq import Worker
from rq.job import Job, JobStatus

LEASE_S = 90  # RQ's, of a running job

request = json.load(sys.stdin)
connection = Redis.from_url(request["url"])
worker = Worker.find_by_key(request["worker"], connection=connection)
job_id = as_text(worker.get_current_job_id() or "") if worker else ""
if job_id and Job.exists(job_id, connection=connection):
    job = Job.fetch(job_id, connection=connection)
    if job.get_status() == JobStatus.STARTED:
        with connection.pipeline() as pipe:
            worker.heartbeat(LEASE_S, pipeline=pipe)
            for execution in executions_of(job, connection):
                execution.heartbeat(job.started_job_registry, LEASE_S, pipeline=pipe)
            if not hasattr(job, "get_executions"):
                job.started_job_registry.add(job, LEASE_S, pipeline=pipe, xx=True)
            pipe.execute()
