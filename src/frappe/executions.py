# RQ 2 keeps what runs as executions in `wip`. One that is left there fails its job when its time is over, even a job that
# has finished since or has failed for a reason of its own. Part of settle_job.py and put_back.py, and before them.
from rq.utils import as_text


def executions_of(job, connection):
    """Every one of this job. RQ 1 has none."""
    if not hasattr(job, "get_executions"):
        return []
    from rq.executions import Execution

    entries = [as_text(entry).rpartition(":") for entry in connection.zrange(job.started_job_registry.key, 0, -1)]
    return [Execution(id, job_id, connection=connection) for job_id, _, id in entries if job_id == job.id]


def delete_executions(job, connection, pipe):
    """In the transaction of `pipe`."""
    for execution in executions_of(job, connection):
        execution.delete(job=job, pipeline=pipe)
