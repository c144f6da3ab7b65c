"""migrate: patches, DocTypes, patches; then jobs, orphans, versions (docs/frappe-sites.md#steps-of-migrate).

It waits 1 s for sites/S/locks/bench_migrate.lock and never touches maintenance_mode. Patches are those of every
installed app, so one that cannot be imported fails it; DocTypes, jobs, versions and hooks only of those in apps.txt, so
one that is missing there loses jobs and versions in silence (docs/frappe-contract.md#disagreeing-app-lists).
"""

import sys

import frappe
from frappe.apps import get_attr, get_hooks, get_installed_apps
from frappe.barrier import reach
from frappe.cache import cache
from frappe.context import connect, destroy, init, local
from frappe.doctypes import add_column, remove_orphans, sync_app
from frappe.filelocks import filelock
from frappe.install_app import record_versions
from frappe.patch_log import run_pending
from frappe.realtime import publish_realtime
from frappe.scheduled_jobs import sync_jobs
from frappe.utils.connections import closed_services


def migrate(site, skip_failing=False):
    init(site)
    connect()
    require_services()
    with filelock("bench_migrate", timeout_s=1):
        reach("migrate:locked")
        local.in_migrate = True
        cache().clear_site()
        frappe.setup_module_map()
        add_column("tabDocType", "migration_hash", "varchar(140)")
        try:
            run_hooks("before_migrate")
            update_schema(skip_failing)
            update_data()
            run_hooks("after_migrate")
            local.db.commit()
        finally:
            cache().clear_site()
            publish_realtime("version-update", {})
            destroy()


def update_schema(skip_failing):
    run_pending("pre_model_sync", skip_failing)
    reach("migrate:pre_patches")
    for app in get_installed_apps():
        sync_app(app)
    reach("migrate:schema")
    run_pending("post_model_sync", skip_failing)
    local.db.commit()
    reach("migrate:patches")


def update_data():
    sync_jobs()
    reach("migrate:jobs")
    remove_orphans()
    record_versions()
    local.db.commit()
    reach("migrate:versions")


def run_hooks(name):
    for app in get_installed_apps(on_bench_only=True):
        for function in get_hooks(name, app=app):
            get_attr(function)()
    local.db.commit()


def require_services():
    if closed := closed_services():
        for name in closed:
            print(f"Service {name} is not running.")
        print("Cannot run bench migrate without the services running.")
        sys.exit(1)
