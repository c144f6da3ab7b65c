# Runs Frappe's own `worker` command, with one gap of RQ's closed. Read from standard input by python, in sites/, after
# worker_jobs.py.
#
# RQ stops an idle worker by an exception out of BLPOP. A job that Redis has handed over by then stands in no queue
# any more and in no worker: it is lost. Here TERM to an idle worker has Redis end the BLPOP (CLIENT UNBLOCK): either
# that answers "nothing", or the job was there first and is run as the last one.
import os
import runpy
import sys
import threading
import time

DONE = 85  # role/worker.rs: DONE_CODE
max_jobs = int(os.environ.get("CAULDRON_WORKER_MAX_JOBS") or 0)

from rq.worker import StopRequested, Worker


class Stop:
    asked = threading.Event()
    waiting = False  # in BLPOP, or on the way there or back
    in_hand = False  # a job was handed over and not finished
    uses_intermediate = False  # it came by way of `<queue>:intermediate`
    jobs = 0


def unblock(connection, name):
    """Ends the BLPOP of this worker, and tries again until it has ended: TERM may come just before it begins."""
    Stop.asked.wait()
    give_up = time.monotonic() + 10
    while Stop.waiting:
        try:
            for client in connection.client_list():
                if client.get("name") == name and "b" in client.get("flags", ""):
                    connection.client_unblock(int(client["id"]))
        except Exception:
            if time.monotonic() > give_up:
                os._exit(1)  # Redis is gone: nothing can be in hand
        time.sleep(0.02)


def close_the_gap(worker):
    pool, name = worker.connection.connection_pool, f"cauldron-worker-{worker.name}"
    own_pool = type(pool)(connection_class=pool.connection_class, **pool.connection_kwargs)
    connection = type(worker.connection)(connection_pool=own_pool)
    connection.client_unblock(0)  # fails here where the login may not
    pool.connection_kwargs["client_name"] = name
    pool.disconnect()
    threading.Thread(target=unblock, args=(connection, name), daemon=True).start()
    shut_down = worker._shutdown

    def _shutdown():
        if Stop.waiting or Stop.in_hand:
            worker._stop_requested = True
            Stop.asked.set()
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
            if Stop.asked.is_set():
                raise StopRequested
            Stop.waiting, Stop.uses_intermediate = True, False
            try:
                result = dequeue_own(worker, queues, timeout) if Foreign.may_wait and timeout is not None else None
                if result is None:
                    result = super().dequeue_any(queues, timeout, *args, **kwargs)
                Stop.in_hand = result is not None
                return result
            finally:
                Stop.waiting = False

    worker.queue_class = Queue


original_work, original_execute = Worker.work, Worker.execute_job


def work(worker, *args, **kwargs):
    if max_jobs:
        kwargs["max_jobs"] = max_jobs
    choose_jobs(worker)
    try:
        close_the_gap(worker)
    except Exception as error:
        print(f"a stop uses RQ's own way, which can lose a job: {error}", file=sys.stderr, flush=True)
    result = original_work(worker, *args, **kwargs)
    if max_jobs and Stop.jobs >= max_jobs and not worker._stop_requested:
        sys.exit(DONE)
    return result


def execute_job(worker, job, queue):
    try:
        if not may_begin(worker, job, queue):
            return None
        if held_back(worker, job, queue) or left_to_others(worker, job, queue):
            return None
        try:
            return original_execute(worker, job, queue)
        finally:
            no_longer_begins(worker)
    finally:
        Stop.jobs += 1
        Stop.in_hand = False


leave_intermediate_to_the_supervisor()
Worker.work, Worker.execute_job = work, execute_job
sys.argv[0] = "bench"
runpy.run_module("frappe.utils.bench_helper", run_name="__main__")
