"""The scheduler process (docs/frappe-contract.md#scheduler-process).

It holds a flock on config/scheduler_process: a second one on the same bench exits 0 in silence. No heartbeat; its signs
of life are the lock and last_execution. TERM ends it at once. Frappe 16 has another default for the tick, and aligns
that one to the real clock.
"""

import os
import random
import time
from datetime import datetime, timedelta

from croniter import croniter
from filelock import FileLock, Timeout

from frappe.cache import cache
from frappe.context import connect, destroy, init, local, site_context
from frappe.generation import is_frappe_16
from frappe.paths import bench_path, get_sites
from frappe.utils.background_jobs import enqueue, is_enqueued

DORMANT_DAYS = 4
RUN = "frappe.utils.scheduler.run_scheduled_job"
CRON = {
    "Yearly": "0 0 1 1 *",
    "Monthly": "0 0 1 * *",
    "Weekly": "0 0 * * 0",
    "Daily": "0 0 * * *",
    "Hourly": "0 * * * *",
    "All": "*/4 * * * *",
}


# Tests shorten it.
DEFAULT_SCHEDULER_TICK = int(os.environ.get("SAMPLE_BENCH_DEFAULT_TICK") or (240 if is_frappe_16() else 60))


def get_scheduler_tick():
    with site_context():
        return int(local.conf.scheduler_tick_interval or DEFAULT_SCHEDULER_TICK)


if is_frappe_16():

    def sleep_duration(tick):
        """The default tick ends at a multiple of it; another one is slept as it is."""
        return tick - time.time() % tick if tick == DEFAULT_SCHEDULER_TICK else tick


def start_scheduler():
    tick = get_scheduler_tick()
    with site_context():
        lock = FileLock(os.path.join(bench_path(), "config", "scheduler_process"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return
    while True:
        time.sleep(sleep_duration(tick) if is_frappe_16() else tick)
        enqueue_events_for_all_sites()


def enqueue_events_for_all_sites():
    sites = get_sites()
    random.shuffle(sites)
    for site in sites:
        try:
            init(site)
            connect()
            if not is_scheduler_inactive():
                enqueue_events(site)
        except Exception as error:
            print(f"Exception in Enqueue Events for Site {site}: {error}")
        finally:
            destroy()
    if path := os.environ.get("SAMPLE_BENCH_TICKS"):
        # For tests: when each tick ended, on two clocks. Not Frappe's.
        with open(path, "a") as file:
            file.write(f"{time.monotonic()} {time.time()}\n")


def is_scheduler_inactive():
    conf = local.conf
    if conf.maintenance_mode or conf.pause_scheduler or conf.disable_scheduler:
        return True
    return local.db.get_single("System Settings", "enable_scheduler") != "1"


def enqueue_events(site):
    if not cache().get_shared(f"{local.conf.db_name}|jobs_by_activity", may_run_by_activity):
        return None
    enqueued = []
    for job in local.db.sql('select * from "tabScheduled Job Type" where stopped = 0', as_dict=True):
        if next_execution(job) <= datetime.now() and not is_enqueued(job_id(job["method"])):
            queue = "long" if "Long" in job["frequency"] else "default"
            enqueue(RUN, queue, job_id=job_id(job["method"]), job_type=job["method"])
            enqueued.append(job["method"])
    return enqueued


def may_run_by_activity():
    """**Dormant trap:** no login for 4 days → jobs once in 24 h."""
    if newest("Activity Log") > datetime.now() - timedelta(days=DORMANT_DAYS):
        return True
    return newest("Scheduled Job Log") < datetime.now() - timedelta(days=1)


def newest(doctype):
    return local.db.sql(f'select max(modified) from "tab{doctype}"')[0][0] or datetime.min


def job_id(method):
    return f"scheduled_job::{method}"


def next_execution(job):
    cron = job["cron_format"] or CRON[job["frequency"].replace(" Long", "")]
    return croniter(cron, job["last_execution"] or job["creation"]).get_next(datetime)


def run_scheduled_job(job_type):
    """Runs in a worker: the time is noted first, so a job that dies is not tried again before its next time."""
    from frappe.apps import get_attr

    db = local.db
    db.sql('update "tabScheduled Job Type" set last_execution = %s where method = %s', (datetime.now(), job_type))
    db.commit()
    get_attr(job_type)()
    db.insert("Scheduled Job Log", scheduled_job_type=job_type, status="Complete")
    db.commit()
