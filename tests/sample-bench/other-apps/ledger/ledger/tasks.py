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
