# Runs Frappe's own `schedule` command and records each tick in a file, which Frappe does not do. Read from standard
# input by python, in sites/. Only a tick that finished is recorded: Frappe swallows the errors in it. If another
# process holds Frappe's lock, Frappe would end with 0 without a message; this reports the lock and its holder.
import contextlib
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


def is_aligned():
    """True if Frappe ends each tick at a multiple of the interval on the clock, as 16 does with its default. A takeover
    does not delay such a tick, and an earlier one would be an additional one."""
    with contextlib.suppress(AttributeError):
        return scheduler.sleep_duration and scheduler.get_scheduler_tick() == scheduler.DEFAULT_SCHEDULER_TICK
    return False


class Clock:
    """The `time` module with a shorter first sleep, which compensates for the duration of a takeover."""

    def __init__(self):
        self.slept = False

    def __getattr__(self, name):
        return getattr(time, name)

    def sleep(self, seconds):
        saved = 0 if self.slept or is_aligned() else min(6, seconds / 2)
        self.slept = True
        time.sleep(seconds - saved)


# EX_TEMPFAIL, as in src/outcome.rs. Frappe itself never exits with it.
LOCK_HELD = 75


def holders(path):
    """The processes of this container that hold a flock on a file (proc_locks(5)). Others have no pid here."""
    with contextlib.suppress(OSError), open("/proc/locks") as locks:
        inode = str(os.stat(path).st_ino)
        for _, kind, _, _, pid, file, *_ in map(str.split, locks):
            if kind == "FLOCK" and file.rpartition(":")[2] == inode and has_open(pid, path):
                yield pid


def has_open(pid, path):
    """True if a process has a file open; its inode number alone may also be that of a file of another file system."""
    try:
        return any(os.path.samefile(file, path) for file in os.scandir(f"/proc/{pid}/fd"))
    except PermissionError:
        return True
    except OSError:
        return False


def describe_holder(path):
    """Names the holder by pid and program; a command line may contain a secret."""
    for pid in holders(path):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as name:
            return f"pid {pid} ({name.read().strip()})"
        return f"pid {pid}"
    return "a process that is not in this container"


def report_lock(lock_class):
    """Frappe's class of locks, which reports a held lock."""

    class Reporting(lock_class):
        def acquire(self, *args, **kwargs):
            try:
                acquired = super().acquire(*args, **kwargs)
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path + ".held")
                return acquired
            except scheduler.Timeout:
                text = f"{self.lock_file} is locked by {describe_holder(self.lock_file)}"
                with open(path + ".held.new", "w") as file:
                    file.write(text)
                os.replace(path + ".held.new", path + ".held")
                print(text, file=sys.stderr, flush=True)
                sys.exit(LOCK_HELD)

    return Reporting


# Earlier releases of Frappe 15 have no lock.
if hasattr(scheduler, "FileLock"):
    scheduler.FileLock = report_lock(scheduler.FileLock)
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
