"""flock files: sites/S/locks/NAME.lock, or config/NAME.lock for what the whole bench shares."""

import os
from contextlib import contextmanager

from filelock import FileLock, Timeout

from frappe.exceptions import LockTimeout
from frappe.paths import bench_path, site_path


@contextmanager
def filelock(name, timeout_s=30, whole_bench=False):
    file = f"{name}.lock"
    path = os.path.join(bench_path(), "config", file) if whole_bench else site_path("locks", file)
    try:
        with FileLock(os.path.abspath(path), timeout=timeout_s):
            yield
    except Timeout as error:
        raise LockTimeout(f"Failed to aquire lock: {name}. Lock may be held by another process.") from error
