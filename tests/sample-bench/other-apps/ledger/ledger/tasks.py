"""Functions for hooks, jobs and requests."""

import os
import time
from pathlib import Path

import frappe


def leave_mark():
    """after_install: says that it ran, in the site's folder (commands run in sites/)."""
    Path(frappe.local.site, "ledger_installed").touch()


def close_the_day():
    pass


def hold(started, release, done):
    """A job that says when it starts, runs until `release` is there, and says that it ended."""
    Path(started).write_text(str(os.getpid()))
    while not Path(release).exists():
        time.sleep(0.02)
    Path(done).touch()


@frappe.whitelist(allow_guest=True)
def fail_in_transaction():
    """A request that reads and then fails."""
    frappe.local.db.sql('select count(*) from "tabUser"')
    raise RuntimeError("this request always fails")


def append(path, word, seconds=0):
    """A job that takes a while and then leaves one line."""
    time.sleep(seconds)
    with open(path, "a") as file:
        file.write(f"{word}\n")


def append_many(path, count, queue="short", seconds=0):
    """That job, so many times, each with its own word."""
    from frappe.utils.background_jobs import enqueue

    for number in range(count):
        enqueue("ledger.tasks.append", queue=queue, job_id=f"append-{number}", path=path, word=number, seconds=seconds)


def tell(name, message):
    """An event for browsers that are connected to this site. Frappe's enqueue keeps an argument called `event`."""
    from frappe.realtime import publish_realtime

    publish_realtime(name, message, room="all")
