"""Where the bench is, and the name that its queues bear."""

import os

import frappe
from frappe.context import local


def bench_path():
    """FRAPPE_BENCH_ROOT, else three folders above this package."""
    return os.environ.get("FRAPPE_BENCH_ROOT") or os.path.realpath(
        os.path.join(os.path.dirname(frappe.__file__), "..", "..", "..")
    )


def bench_id():
    """Default: the bench's path with `/` as `-`, no leading one (docs/frappe-jobs.md#bench-id)."""
    return local.conf.bench_id or bench_path().strip("/").replace("/", "-")


def site_path(*parts):
    return os.path.join(local.site_path, *parts)


def get_sites(sites_path="."):
    """A site is a folder with a site_config.json; a link to one is none."""
    paths = {name: os.path.join(sites_path, name) for name in os.listdir(sites_path)}
    return sorted(
        name
        for name, path in paths.items()
        if not os.path.islink(path) and os.path.exists(os.path.join(path, "site_config.json"))
    )
