"""The site that this thread works on: configuration, database connection, cache."""

import os
from contextlib import contextmanager

from werkzeug.local import Local, release_local

import frappe
from frappe.config import read_config, read_config_of_request

local = Local()


def init(site, sites_path=".", new_site=False):
    """Read the site's configuration; in a command this imports every app of apps.txt (docs/frappe-contract.md#disagreeing-app-lists)."""
    from frappe.apps import import_all_apps

    local.site = site
    local.sites_path = sites_path
    local.site_path = os.path.join(sites_path, site)
    local.is_request = getattr(local, "is_request", False)
    if local.is_request:
        local.conf = read_config_of_request(sites_path, site)
    else:
        local.conf = read_config(sites_path, site, new_site)
    local.db = None
    local.user = None
    local.in_migrate = False
    if not local.is_request:
        import_all_apps()
        frappe.setup_module_map()


def connect():
    """The database user is db_name; db_user is read from Frappe 16 on."""
    from frappe.database import get_db

    conf = local.conf
    assert conf.db_name, "site must be fully initialized, db_name missing"
    assert conf.db_password, "site must be fully initialized, db_password missing"
    local.db = get_db(
        host=conf.db_host,
        port=conf.db_port,
        user=conf.db_user,
        password=conf.db_password,
        cur_db_name=conf.db_name,
        socket=conf.db_socket,
    )


def destroy():
    if getattr(local, "db", None):
        local.db.close()
    release_local(local)


@contextmanager
def site_context(site=""):
    init(site)
    try:
        yield local
    finally:
        destroy()
