"""new-site, step by step in Frappe's order, so that a kill between two steps leaves what Frappe leaves.

docs/frappe-sites.md#steps-of-new-site: folders and site_config.json *before* the database; DROP, role, database, grant,
owner; psql; doctypes; installed_apps; patch log; Administrator and its password; `.test_log`; scheduler disabled.
"""

import hashlib
import json
import os
import secrets
import string
import sys

from frappe.barrier import reach
from frappe.context import connect, destroy, init, local
from frappe.database.setup import bootstrap_database, setup_database
from frappe.exceptions import InvalidRemoteException
from frappe.filelocks import filelock
from frappe.generation import is_frappe_16
from frappe.install_app import install_app

FOLDERS = ("public/files", "private/backups", "private/files", "locks", "logs")


def new_site(site, options):
    if not options["force"] and os.path.exists(site):
        print(f"Site {site} already exists")
        sys.exit(1)
    # Frappe 16 ignores the option with another database.
    if options["mariadb_user_host_login_scope"] and options["db_type"] != "mariadb" and not is_frappe_16():
        print("--no-mariadb-socket requires db_type to be set to mariadb.")
        sys.exit(1)
    scheduler_was_enabled = is_scheduler_enabled(site)
    init(site, new_site=True)
    for folder in FOLDERS:
        os.makedirs(os.path.join(site, folder), exist_ok=True)
    reach("folders")
    with filelock("bench_new_site", timeout_s=1):
        make_database(site, options)
        for app in ["frappe", *options["install_app"]]:
            install_app(app, admin_password=options["admin_password"])
        local.db.set_single("System Settings", "enable_scheduler", int(scheduler_was_enabled))
        local.db.commit()
        reach("scheduler_set")
    print(f"*** Scheduler is {'enabled' if scheduler_was_enabled else 'disabled'} ***")


def is_scheduler_enabled(site):
    """A site made anew with --force keeps its scheduler; every other new one has it disabled."""
    try:
        init(site)
        connect()
        return local.db.get_single("System Settings", "enable_scheduler") == "1"
    except Exception:
        return False
    finally:
        destroy()


def make_database(site, options):
    db_name = options["db_name"] or default_db_name(site)
    make_site_config(site, db_name, options)
    reach("site_config")
    sites_path = local.sites_path
    destroy()
    init(site, sites_path)
    if options["setup_db"]:
        setup_database(options["db_root_username"] or "postgres", options["db_root_password"])
    bootstrap_database(options["source_sql"])


def default_db_name(site):
    path = os.path.realpath(site)
    return "_" + hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()[:16]


def make_site_config(site, db_name, options):
    """Only if there is none: with --force the old name and password stay. Truncate and write, not atomic."""
    path = os.path.join(site, "site_config.json")
    if os.path.exists(path):
        return
    config = {"db_name": db_name, "db_password": options["db_password"] or random_password()}
    if is_frappe_16():
        config["db_user"] = options["db_user"] or db_name
    for key in ("db_type", "db_socket", "db_host", "db_port"):
        if options[key]:
            config[key] = options[key]
    with open(path, "w") as file:
        file.write(json.dumps(config, indent=1, sort_keys=True))


def random_password():
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))


def find_org(repository):
    """Frappe asks api.github.com, also for an app of this bench. The sample bench reaches no such host."""
    raise InvalidRemoteException(repository)
