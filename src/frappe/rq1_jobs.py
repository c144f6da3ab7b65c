# Jobs that RQ 1 (Frappe 15) left in Redis, for RQ 2 (Frappe 16), which takes no `:` in the id of a job: it cuts the id
# there, finds no such job and drops it, and its maintenance ends the worker at such an entry of `wip`. Prepended to
# worker_jobs.py, recover_job.py and put_back.py.
from uuid import uuid4

import rq.job
from rq.registry import StartedJobRegistry
from rq.utils import as_text

IS_RQ_2 = hasattr(rq.job, "parse_job_id")


def job_of_entry(entry):
    """The job of an entry of `wip`: `job:execution`, or the id of RQ 1, in which Frappe 15 writes two colons or more."""
    entry = as_text(entry)
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


if IS_RQ_2:
    rq.job.parse_job_id = lambda job_id: job_id
    StartedJobRegistry.parse_job_id = staticmethod(job_of_entry)


def id_for_rq_2(job, connection):
    """The id that Frappe 16 would give the job; another one if a job has it."""
    job_id = job.id.replace(":", "|")
    return f"{job_id}|{uuid4().hex}" if connection.exists(job.key_for(job_id)) else job_id
