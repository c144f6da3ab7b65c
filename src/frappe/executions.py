# RQ 2 keeps running jobs as executions in `wip`. An execution that is left there fails its job when it expires, even if
# the job has finished or failed since. Prepended to recover_job.py and put_back.py.
from rq.utils import as_text


def executions_of(job, connection):
    """All executions of this job. RQ 1 has none."""
    if not hasattr(job, "get_executions"):
        return []
    from rq.executions import Execution

    entries = [as_text(entry).rpartition(":") for entry in connection.zrange(job.started_job_registry.key, 0, -1)]
    return [Execution(id, job_id, connection=connection) for job_id, _, id in entries if job_id == job.id]


def delete_executions(job, connection, pipe):
    """Deletes them in the transaction of `pipe`."""
    for execution in executions_of(job, connection):
        execution.delete(job=job, pipeline=pipe)
