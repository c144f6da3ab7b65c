"""Deterministic kills: a named step at which a test can stop this process, and a pace to slow it.

With SAMPLE_BENCH_BARRIER=<step>[,<step>…] and SAMPLE_BENCH_BARRIER_SOCKET=<path>, reaching that step connects to the
socket, writes the step's name and its pid in a line, and waits for one byte or the end of the connection. SAMPLE_BENCH_PACE_MS
is slept after each table. With SAMPLE_BENCH_TRACE=<path> every step that is reached is appended to that file, with the
pid, so that a test sees whose steps ran and in which order. None of these is Frappe's.

The steps of new-site, each reached when it is done:
    folders, site_config, administrator_connected, database_dropped, role, database, grant, owner, core_tables,
    extra_tables, installing:APP, doctype:NAME, doctypes:APP, installed_apps:APP, patch_log:APP, administrator (not
    yet committed), administrator_password, after_install:APP, scheduled_jobs:APP (not yet committed), scheduler_set
Those with APP are install-app's too. Of uninstall-app: uninstalling:APP, uninstalled_doctypes:APP. Of migrate:
    migrate:locked, patch:NAME (applied, not yet logged), migrate:pre_patches, doctype:NAME, migrate:schema,
    migrate:patches, migrate:jobs, migrate:versions
And of enable-scheduler and disable-scheduler: scheduler_enabled, scheduler_disabled
"""

import os
import socket
import time


def reach(step):
    trace(step)
    if step not in os.environ.get("SAMPLE_BENCH_BARRIER", "").split(","):
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["SAMPLE_BENCH_BARRIER_SOCKET"])
        connection.sendall(f"{step} {os.getpid()}\n".encode())
        connection.recv(1)


def trace(step):
    if path := os.environ.get("SAMPLE_BENCH_TRACE"):
        with open(path, "a") as file:
            file.write(f"{step} {os.getpid()}\n")


def pace():
    if pace_ms := os.environ.get("SAMPLE_BENCH_PACE_MS"):
        time.sleep(int(pace_ms) / 1000)
