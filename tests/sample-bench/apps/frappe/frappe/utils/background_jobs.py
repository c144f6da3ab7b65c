"""RQ as Frappe runs it (docs/frappe-jobs.md#queue-keys): queues are `<bench_id>:<queue>`, one work-horse for each job."""

import os
import time
import traceback

import redis
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job

from frappe.apps import get_attr
from frappe.context import connect, destroy, init, local, site_context
from frappe.exceptions import ValidationError
from frappe.generation import is_frappe_16
from frappe.paths import bench_id

TRIES = 5
RESULT_TTL_S = 600
FAILURE_TTL_S = 7 * 24 * 3600


def queue_timeouts():
    """short and default 300 s, long 1,500 s; `workers: {queue: {timeout}}` adds queues."""
    own = local.conf.workers or {}
    return {"short": 300, "default": 300, "long": 1500} | {name: each.get("timeout", 300) for name, each in own.items()}


def queue_connection(username=None, password=None):
    """Trap: no Redis or a bad login is five tries, then exit 1 after 4 s."""
    for attempt in range(1, TRIES + 1):
        try:
            connection = redis.from_url(local.conf.redis_queue, username=username, password=password)
            connection.ping()
            return connection
        except (redis.exceptions.BusyLoadingError, redis.exceptions.ConnectionError) as error:
            print(f"Please make sure that Redis Queue runs @ {local.conf.redis_queue}. {error}", flush=True)
            if attempt == TRIES:
                raise
            time.sleep(1)


def queue_names(names=None):
    known = queue_timeouts()
    for name in names or []:
        if name not in known:
            raise ValidationError(f"Queue should be one of {', '.join(known)}")
    return [f"{bench_id()}:{name}" for name in names or known]


def start_worker(queue, quiet=False, burst=False, username=None, password=None):
    with site_context():
        connection = queue_connection(username, password)
        names = queue_names([name.strip() for name in queue.split(",")] if queue else None)
    worker = Worker(names, connection=connection)
    worker.work(
        logging_level="WARNING" if quiet else "INFO",
        burst=burst,
        date_format="%Y-%m-%d %H:%M:%S",
        log_format="%(asctime)s,%(msecs)03d %(message)s",
    )


def get_queues():
    connection = queue_connection()
    return [Queue(name, connection=connection) for name in queue_names()]


def pending_job_ids():
    return [job_id for queue in get_queues() for job_id in queue.get_job_ids()]


def worker_names():
    return [worker.name for worker in Worker.all(connection=queue_connection())]


def create_job_id(job_id=None):
    """RQ 2 takes no `:` in an id, so Frappe 16 writes `site||id`."""
    job_id = job_id or os.urandom(8).hex()
    return f"{local.site}||{job_id.replace(':', '|')}" if is_frappe_16() else f"{local.site}::{job_id}"


def is_enqueued(job_id):
    try:
        job = Job.fetch(create_job_id(job_id), connection=queue_connection())
    except NoSuchJobError:
        return False
    return job.get_status() in ("queued", "started")


def enqueue(method, queue="default", timeout=None, job_id=None, **kwargs):
    """Queue a function's path for this site; job ids begin with the site's name."""
    [name] = queue_names([queue])
    return Queue(name, connection=queue_connection()).enqueue_call(
        execute_job,
        timeout=timeout or queue_timeouts()[queue],
        kwargs={"site": local.site, "method": method, "job_name": method, "kwargs": kwargs},
        job_id=create_job_id(job_id),
        result_ttl=RESULT_TTL_S,
        failure_ttl=FAILURE_TTL_S,
    )


def execute_job(site, method, job_name, kwargs, **_):
    """In the work-horse: open the site, call, commit; an error is logged in the site and fails the job."""
    init(site)
    connect()
    try:
        result = get_attr(method)(**kwargs)
        local.db.commit()
        return result
    except Exception:
        local.db.rollback()
        local.db.insert("Error Log", method=method, error=traceback.format_exc())
        local.db.commit()
        raise
    finally:
        destroy()
