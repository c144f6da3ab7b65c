# Decides which of the jobs that RQ hands over a worker begins, and puts the others back. Prepended to parked_jobs.py
# and worker.py.
#
# A job's id is always in a list that outlives this process: for a worker of one queue RQ moves it from the queue to
# `<queue>:intermediate`, where it stays until the work-horse begins the job. A job that is not begun leaves that list
# in the transaction that puts it back into its queue, or parks it.
import io
import os
import pickle
import re

from redis.exceptions import WatchError
from rq.exceptions import DequeueTimeout, NoSuchJobError
from rq.job import Job
from rq.utils import as_text

GATE = os.environ.get("CAULDRON_WORKER_GATE")
REFUSED_SITES = os.environ.get("CAULDRON_REFUSED_SITES")  # migrate/other_sites/refused.rs
SITES = os.getcwd()
FOREIGN_POLL_INTERVAL_S = 1
FIRST_WINDOW, WINDOW = 10, 1000  # numbers of ids that are read from a queue at once
MAX_CACHED_JOBS = 100_000
FRONT = object()

# Fields of the worker's own record, read by roles/worker/records.rs and put_back.py.
BEGINS = "cauldron_begins"
FOREIGN_JOBS = "cauldron_foreign_jobs"
FOREIGN_SITE = "cauldron_foreign_site"


class Foreign:
    """Jobs of sites that this bench lacks (another installation's, whose queues in this Redis have the same names), and
    of sites that are not migrated to this code."""

    may_wait = True  # foreign jobs may be in the queues: inspect the queues before a job is taken
    was_seen = False  # the present inspection has seen a foreign job
    sites = {}  # the sites of the foreign jobs that were counted, by job id


class Anything:
    """A stand-in for any object in a job's arguments: its class may be missing here, and must not be imported."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    append = extend = add = update = __init__


class Arguments(pickle.Unpickler):
    def find_class(self, module, name):
        return Anything

    def persistent_load(self, pid):
        return None


def site_of(job):
    """The site that Frappe will open for the job; None for a job that is not Frappe's, which RQ handles."""
    try:
        _, _, _, kwargs = Arguments(io.BytesIO(job.data)).load()
        site = kwargs.get("site")
    except Exception:
        return None
    return site if isinstance(site, str) and site else None


def has_site(site):
    """True if Frappe finds the site, and if the site's tables fit this code."""
    if REFUSED_SITES and os.path.exists(os.path.join(REFUSED_SITES, site)):
        return False
    return os.path.exists(os.path.join(SITES, site, "site_config.json"))


def is_foreign(worker, job_id, job=None):
    if job_id in Foreign.sites:
        return not has_site(Foreign.sites[job_id])
    # Frappe's ids begin with the site: v15 has `site::id`, v16 `site||id`. The job is read only if its id names no site
    # of this bench.
    named = re.match(r"(.+?)(::|\|\|)", job_id)
    if named and has_site(named[1]):
        return False
    try:
        site = site_of(job or Job.fetch(job_id, connection=worker.connection))
    except Exception:
        return False
    if site is None or has_site(site):
        return False
    if len(Foreign.sites) >= MAX_CACHED_JOBS:
        Foreign.sites.clear()
    Foreign.sites[job_id] = site
    with worker.connection.pipeline() as pipe:
        pipe.hincrby(worker.key, FOREIGN_JOBS, 1)
        pipe.hset(worker.key, FOREIGN_SITE, site)
        pipe.execute()
    return True


def put_back(worker, job, queue):
    with worker.connection.pipeline() as pipe:
        pipe.lpush(queue.key, job.id)
        pipe.lrem(queue.intermediate_queue_key, 1, job.id)
        pipe.hdel(worker.key, BEGINS)
        pipe.execute()
    Stop.has_job = False


def may_begin(worker, job, queue):
    """Records that this worker begins the job, so that the supervisor does not put it back (put_back.py). False if the
    supervisor has done so already, because the job was in `intermediate` for long: it is in its queue again."""
    if not Stop.uses_intermediate:
        return True
    with worker.connection.pipeline() as pipe:
        pipe.hset(worker.key, BEGINS, job.id)
        pipe.lrange(queue.intermediate_queue_key, 0, -1)
        _, ids = pipe.execute()
    return job.id in map(as_text, ids)


def clear_begins(worker):
    if Stop.uses_intermediate:
        worker.connection.hdel(worker.key, BEGINS)


def adopt(worker, job, queue):
    """Renames a job of RQ 1 (rq1_jobs.py), which RQ 2 cannot execute under its id."""
    if not IS_RQ_2 or ":" not in job.id:
        return
    old_id, old_key, job._id = job.id, job.key, id_for_rq_2(job, worker.connection)
    with worker.connection.pipeline() as pipe:
        pipe.rename(old_key, job.key)
        if Stop.uses_intermediate:
            pipe.lrem(queue.intermediate_queue_key, 1, old_id)
            pipe.rpush(queue.intermediate_queue_key, job.id)
            pipe.hset(worker.key, BEGINS, job.id)
        pipe.execute()


def put_back_while_paused(worker, job, queue):
    """Puts the job back at the front of its queue while a migration pauses the workers.

    The supervisor will stop this process; a job may have been handed over before that (migrate/worker_pause.rs).
    """
    if not GATE or not worker.connection.exists(GATE):
        return False
    put_back(worker, job, queue)
    while not Stop.requested.is_set() and not worker._stop_requested and worker.connection.exists(GATE):
        Stop.requested.wait(0.5)
    return True


def set_foreign_aside(worker, job, queue):
    """Parks a foreign job (parked_jobs.py), or puts it back, and the next inspection passes it: here it would fail, and
    its own installation would lose it."""
    if not is_foreign(worker, job.id, job):
        return False
    if may_park(worker, queue):
        park(worker, job, queue, Foreign.sites[job.id])
    else:
        put_back(worker, job, queue)
        Foreign.may_wait = True
    return True


def ids_of(pipe, key):
    start, window = 0, FIRST_WINDOW
    while ids := pipe.lrange(key, start, start + window - 1):
        yield from map(as_text, ids)
        start, window = start + window, WINDOW


def is_own(worker, job_id):
    foreign = is_foreign(worker, job_id)
    Foreign.was_seen |= foreign
    return not foreign


def take_own(worker, queue, is_only_queue):
    """Takes the first job that is ours from between foreign jobs, as RQ takes one from the front. FRONT if no foreign
    job was seen before it."""
    with worker.connection.pipeline() as pipe:
        while True:
            try:
                pipe.watch(queue.key)
                job_id = next((job_id for job_id in ids_of(pipe, queue.key) if is_own(worker, job_id)), None)
                if job_id is None:
                    return None
                if not Foreign.was_seen:
                    return FRONT
                pipe.multi()
                pipe.lrem(queue.key, 1, job_id)
                if is_only_queue:
                    pipe.rpush(queue.intermediate_queue_key, job_id)
                pipe.execute()
                return job_id
            except WatchError:
                continue  # the queue has changed


def dequeue_own(worker, queues, timeout):
    """Takes a job past foreign jobs, which stay in place. None if RQ may take the job at the front, or the next one."""
    if all(may_park(worker, queue) for queue in queues):
        Foreign.may_wait = False  # RQ hands them over, and they are parked
        return None
    Foreign.was_seen = False
    for queue in queues:
        while (job_id := take_own(worker, queue, len(queues) == 1)) is not None:
            if job_id is FRONT:
                return None
            Stop.uses_intermediate = len(queues) == 1
            try:
                return worker.job_class.fetch(job_id, connection=worker.connection, serializer=worker.serializer), queue
            except NoSuchJobError:
                continue  # deleted while it waited; RQ skips it too
    Foreign.may_wait = Foreign.was_seen
    if not Foreign.was_seen:
        return None
    # Only foreign jobs wait: the queues are inspected again after this interval.
    if Stop.requested.wait(FOREIGN_POLL_INTERVAL_S):
        raise StopRequested
    raise DequeueTimeout(timeout, [queue.key for queue in queues])


def leave_intermediate_to_the_supervisor():
    """Disables RQ's cleanup, which fails jobs that it finds there, even if a worker is about to begin one. put_back.py
    replaces it."""
    import rq.worker

    if hasattr(rq.worker, "clean_intermediate_queue"):
        rq.worker.clean_intermediate_queue = lambda worker, queue: None
    try:
        from rq.intermediate_queue import IntermediateQueue
    except ImportError:
        return
    IntermediateQueue.cleanup = lambda self, worker, queue: None
