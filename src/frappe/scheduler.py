# Runs Frappe's own `schedule` command and records each tick in a file, which Frappe does not do. Read from standard
# input by python, in sites/. Only a tick that finished is recorded: Frappe swallows the errors in it.
import os
import runpy
import sys
import time

path, site = os.environ["CAULDRON_TICK_FILE"], os.environ["CAULDRON_TICK_SITE"]

import frappe
from frappe.utils import scheduler


def record_tick(text):
    """Records the end of the tick, in seconds since the machine's start, and its result."""
    with open(path + ".new", "w") as file:
        file.write(f"{time.clock_gettime(time.CLOCK_BOOTTIME)} {text}\n")
    os.replace(path + ".new", path)


def record_after(name, describe):
    """Replaces a function of Frappe's scheduler by one that also records a tick."""
    original = getattr(scheduler, name)

    def replacement(*args, **kwargs):
        result = original(*args, **kwargs)
        text = describe(result)
        if text and frappe.local.site == site:
            record_tick(text)
        return result

    setattr(scheduler, name, replacement)


class Clock:
    """The `time` module with a shorter first sleep, which compensates for the duration of a takeover."""

    def __init__(self):
        self.slept = False

    def __getattr__(self, name):
        return getattr(time, name)

    def sleep(self, seconds):
        saved = 0 if self.slept else min(6, seconds / 2)
        self.slept = True
        time.sleep(seconds - saved)


if scheduler.__dict__.get("time") is time:
    scheduler.time = Clock()
try:
    record_after("is_scheduler_inactive", lambda inactive: "inactive" if inactive else None)
    record_after("enqueue_events", lambda jobs: "dormant" if jobs is None else "enqueued")
except AttributeError as error:
    print(f"ticks cannot be recorded with this Frappe: {error}", file=sys.stderr, flush=True)
    record_tick("unseen")
sys.argv[0] = "bench"
runpy.run_module("frappe.utils.bench_helper", run_name="__main__")
