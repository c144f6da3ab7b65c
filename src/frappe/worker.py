# Runs Frappe's own `worker` command, and closes a gap of RQ in which a job can be lost. Read from standard input by
# python, in sites/, after worker_jobs.py and parked_jobs.py.
#
# RQ stops an idle worker by an exception out of BLPOP. A job that Redis has handed over by then is in no queue and in
# no worker any more: it is lost. Here, TERM to an idle worker makes Redis end the BLPOP (CLIENT UNBLOCK): either it
# returns nothing, or a job came first and is run as the last one.
import os
import runpy
import sys
import threading
import time

DONE = 85  # roles/worker.rs: DONE_CODE
max_jobs = int(os.environ.get("CAULDRON_WORKER_MAX_JOBS") or 0)

from rq.worker import StopRequested, Worker


class Stop:
    requested = threading.Event()
    waiting = False  # in BLPOP, or just before or after it
    has_job = False  # a job was handed over and is not finished
    uses_intermediate = False  # the job came through `<queue>:intermediate`
    jobs = 0


def unblock(connection, name):
    """Ends the BLPOP of this worker; retries until it has ended, because TERM may come just before it begins."""
    Stop.requested.wait()
    deadline = time.monotonic() + 10
    while Stop.waiting:
        try:
            for client in connection.client_list():
                if client.get("name") == name and "b" in client.get("flags", ""):
                    connection.client_unblock(int(client["id"]))
        except Exception:
            if time.monotonic() > deadline:
                os._exit(1)  # Redis is unreachable: no job can have been handed over
        time.sleep(0.02)


def close_the_gap(worker):
    pool, name = worker.connection.connection_pool, f"cauldron-worker-{worker.name}"
    own_pool = type(pool)(connection_class=pool.connection_class, **pool.connection_kwargs)
    connection = type(worker.connection)(connection_pool=own_pool)
    connection.client_unblock(0)  # fails here if the login lacks the right
    pool.connection_kwargs["client_name"] = name
    pool.disconnect()
    threading.Thread(target=unblock, args=(connection, name), daemon=True).start()
    shut_down = worker._shutdown

    def _shutdown():
        if Stop.waiting or Stop.has_job:
            worker._stop_requested = True
            Stop.requested.set()
        else:
            shut_down()

    worker._shutdown = _shutdown


def choose_jobs(worker):
    class Queue(worker.queue_class):
        @classmethod
        def lmove(cls, *args, **kwargs):
            Stop.uses_intermediate = True
            return super().lmove(*args, **kwargs)

        @classmethod
        def dequeue_any(cls, queues, timeout, *args, **kwargs):
            if Stop.requested.is_set():
                raise StopRequested
            Stop.waiting, Stop.uses_intermediate = True, False
            try:
                result = None
                if timeout is not None:
                    result = take_parked(worker, queues)
                    timeout = min(timeout, Parking.look_interval_s)
                    if result is None and Foreign.may_wait:
                        result = dequeue_own(worker, queues, timeout)
                if result is None:
                    result = super().dequeue_any(queues, timeout, *args, **kwargs)
                Stop.has_job = result is not None
                return result
            finally:
                Stop.waiting = False

    worker.queue_class = Queue


original_work, original_execute, original_birth = Worker.work, Worker.execute_job, Worker.register_birth


def work(worker, *args, **kwargs):
    if max_jobs:
        kwargs["max_jobs"] = max_jobs
    choose_jobs(worker)
    try:
        close_the_gap(worker)
    except Exception as error:
        print(f"a stop of this worker can lose a job, as in plain RQ: {error}", file=sys.stderr, flush=True)
    result = original_work(worker, *args, **kwargs)
    if max_jobs and Stop.jobs >= max_jobs and not worker._stop_requested:
        sys.exit(DONE)
    return result


def execute_job(worker, job, queue):
    try:
        if not may_begin(worker, job, queue):
            return None
        if put_back_while_paused(worker, job, queue) or set_foreign_aside(worker, job, queue):
            return None
        try:
            adopt(worker, job, queue)
            return original_execute(worker, job, queue)
        finally:
            clear_begins(worker)
    finally:
        Stop.jobs += 1
        Stop.has_job = False


def register_birth(worker):
    original_birth(worker)
    announce(worker)


leave_intermediate_to_the_supervisor()
Worker.work, Worker.execute_job, Worker.register_birth = work, execute_job, register_birth
sys.argv[0] = "bench"
runpy.run_module("frappe.utils.bench_helper", run_name="__main__")
