"""Functions for tests to call: over HTTP, from a job, or as scheduled jobs. Not part of Frappe."""

import os
import time
from pathlib import Path

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from frappe.context import local
from frappe.methods import whitelist
from frappe.passwords import decrypt, encrypt, get_auth, set_auth
from frappe.utils.background_jobs import enqueue


@whitelist(allow_guest=True)
def slow(seconds="4"):
    """A request, or a job, that takes a while."""
    time.sleep(float(seconds))
    return "done"


@whitelist(allow_guest=True)
def held(started, release):
    """A request that marks its start and is answered when `release` exists."""
    hold(started, release)
    return "done"


@whitelist(allow_guest=True)
def queue(method="frappe.sample.touch", queue="default", **kwargs):
    """Enqueue a job from a web process; returns its id."""
    return enqueue(method, queue, **kwargs).id


def touch(path, seconds="0"):
    """A job that leaves a mark: appends its pid to a file, after a while."""
    time.sleep(float(seconds))
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")


def hold(started, release):
    """A job that marks its start and runs until `release` exists."""
    touch(started)
    while not Path(release).exists():
        time.sleep(0.02)


def fail():
    raise RuntimeError("this job always fails")


@whitelist(allow_guest=True)
def paused(started, release, **headers):
    """An answer that pauses between its two parts until `release` exists."""

    def parts():
        yield b"first "
        hold(started, release)
        yield b"second"

    return Response(parts(), headers={"Content-Type": "text/plain", **named(headers)})


@whitelist(allow_guest=True)
def generated(done, length, **headers):
    """A long answer that is made while it is sent, with a mark once its last part was taken."""

    def parts():
        for _ in range(int(length) >> 16):
            yield b"frappe\n\n" * (1 << 13)
        touch(done)

    return Response(parts(), headers={"Content-Type": "text/plain", **named(headers)})


@whitelist(allow_guest=True)
def headers():
    """The request as it came here."""
    request = local.request
    return {"scheme": request.scheme, "host": request.host, **dict(request.headers)}


@whitelist(allow_guest=True)
def target(**arguments):
    """The request's target, byte for byte as gunicorn read it, and what is made of its query."""
    return {"raw": local.request.environ["RAW_URI"], "arguments": arguments}


@whitelist(allow_guest=True)
def redirected(path="/login"):
    """An absolute redirect, to the host that the request came to."""
    return redirect(local.request.host_url.rstrip("/") + path)


@whitelist(allow_guest=True)
def with_headers(**headers):
    """An answer with headers of its own."""
    return Response("own", headers=named(headers))


def named(headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


@whitelist(allow_guest=True)
def count():
    """How many bytes the body has."""
    return sum(len(chunk) for chunk in iter(lambda: local.request.stream.read(1 << 16), b""))


@whitelist(allow_guest=True)
def mark(path):
    """A request that leaves a mark each time that it is done."""
    touch(path)


@whitelist(allow_guest=True)
def text(length="1000"):
    """A long answer."""
    return "frappe " * (int(length) // 7)


@whitelist(allow_guest=True)
def rows(count="60"):
    """A list as pages ask for it: 130 bytes a row, which differ as real ones do."""
    return [
        {
            "name": f"ACC-SINV-2024-{n * 7919 % 100_000:05}",
            "customer": f"Customer {n * 104_729 % 997}",
            "grand_total": n * 15_485_863 % 1_000_003 / 100,
            "status": ("Paid", "Unpaid", "Overdue")[n * 31 % 3],
            "posting_date": f"2024-{n * 5 % 12 + 1:02}-{n * 11 % 28 + 1:02}",
        }
        for n in range(int(count))
    ]


@whitelist(allow_guest=True)
def pid():
    return os.getpid()


@whitelist(allow_guest=True)
def keep_secret(name, value):
    """First use makes encryption_key: racing processes each keep their own (docs/frappe-contract.md#encryption-key)."""
    set_auth("Sample", name, "secret", encrypt(value), 1)


@whitelist(allow_guest=True)
def tell_secret(name):
    return decrypt(get_auth("Sample", name, "secret", 1))


def every_quarter():
    pass


def every_minute():
    pass


def flush_mails():
    pass


def trim_logs():
    pass


def sync_calendars():
    pass


def delete_old_sessions():
    pass


def send_digest():
    pass


def take_backups():
    pass


def rebuild_search():
    pass
