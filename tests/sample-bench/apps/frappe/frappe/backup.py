"""`pg_dump | gzip`: every schema is dumped, and one of another role's makes it fail (docs/frappe-sites.md#backup)."""

import gzip
import os
import shutil
from datetime import datetime

import frappe
from frappe.context import local
from frappe.paths import site_path
from frappe.shell import run_in_shell


def backup_site(path=None):
    from frappe.database import get_command

    stamp = datetime.now().strftime("%Y%m%d_%H%M%S")
    stem = site_path("private", "backups", f"{stamp}-{local.site.replace('.', '_')}")
    path = path or f"{stem}-database.sql.gz"
    program, arguments, _ = get_command(
        socket=local.conf.db_socket,
        host=local.conf.db_host,
        port=local.conf.db_port,
        user=local.conf.db_user,
        password=local.conf.db_password,
        db_name=local.conf.db_name,
        dump=True,
    )
    with gzip.open(path, "wt") as file:
        file.write(f"-- begin frappe metadata\n-- [frappe]\n-- version = {frappe.__version__}\n")
        file.write("-- end frappe metadata\n")
    run_in_shell([program, *arguments], ["gzip"], append_to=path)
    shutil.copy(site_path("site_config.json"), f"{stem}-site_config_backup.json")
    print(f"Database: {os.path.abspath(path)} {os.path.getsize(path)}B")
