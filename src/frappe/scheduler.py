# Runs Frappe's own `schedule` command and leaves word of each tick, of which Frappe itself leaves none. Read from
# standard input by python, in sites/. A tick counts where it came to its end: Frappe swallows what goes wrong in it.
import os
import runpy
import sys
import time

path, site = os.environ["CAULDRON_TICK_FILE"], os.environ["CAULDRON_TICK_SITE"]

import frappe
from frappe.utils import scheduler


def leave_word(text):
    """When the tick ended, in seconds since the machine's start, and what it came to."""
    with open(path + ".new", "w") as file:
        file.write(f"{time.clock_gettime(time.CLOCK_BOOTTIME)} {text}\n")
    os.replace(path + ".new", path)


def after(name, tell):
    original = getattr(scheduler, name)

    def replacement(*args, **kwargs):
        result = original(*args, **kwargs)
        text = tell(result)
        if text and frappe.local.site == site:
            leave_word(text)
        return result

    setattr(scheduler, name, replacement)


class Clock:
    """The `time` module, with a first sleep that is shorter: who takes over ticks the earlier by what that takes."""

    def __init__(self):
        self.slept = False

    def __getattr__(self, name):
        return getattr(time, name)

    def sleep(self, seconds):
        sooner = 0 if self.slept else min(6, seconds / 2)
        self.slept = True
        time.sleep(seconds - sooner)


if scheduler.__dict__.get("time") is time:
    scheduler.time = Clock()
try:
    after("is_scheduler_inactive", lambda inactive: "inactive" if inactive else None)
    after("enqueue_events", lambda jobs: "dormant" if jobs is None else "enqueued")
except AttributeError as error:
    print(f"ticks cannot be seen with this Frappe: {error}", file=sys.stderr, flush=True)
    leave_word("unseen")
sys.argv[0] = "bench"
runpy.run_module("frappe.utils.bench_helper", run_name="__main__")
