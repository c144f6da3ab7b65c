"""DocTypes are JSON files, MODULE/doctype/NAME/NAME.json; syncing one makes or widens its table and commits.

The files' digests are kept in tabDocType.migration_hash. Progress is one line redrawn with CR (docs/frappe-sites.md#progress-line).
"""

import hashlib
import json
import os
from datetime import datetime

from frappe.apps import app_path, get_installed_apps, module_list
from frappe.barrier import pace, reach
from frappe.context import local

FIRST = ["docfield", "docperm", "doctype_action", "doctype_link", "doctype_state", "role", "has_role", "doctype"]
TYPES = {"Check": "smallint not null default 0", "Int": "bigint not null default 0"}
TYPES |= {"Text": "text", "Datetime": "timestamp(6)"}
STANDARD = {
    "name": "varchar(140) primary key",
    "creation": "timestamp(6)",
    "modified": "timestamp(6)",
    "modified_by": "varchar(140)",
    "owner": "varchar(140)",
    "docstatus": "smallint not null default 0",
    "idx": "bigint not null default 0",
}
CHILD = {"parent": "varchar(140)", "parentfield": "varchar(140)", "parenttype": "varchar(140)"}


def doctype_files(app, modules):
    """Those that the others need first, then module by module."""
    files = []
    for module in modules:
        folder = app_path(app, module, "doctype")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            path = os.path.join(folder, name, f"{name}.json")
            if os.path.exists(path):
                files.append(path)
    rank = {name: at for at, name in enumerate(FIRST)}
    return sorted(files, key=lambda path: rank.get(os.path.basename(path)[:-5], len(FIRST)))


def sync_app(app, force=False):
    files = doctype_files(app, local.app_modules.get(app, []))
    for at, path in enumerate(files):
        doctype = sync_file(path, force)
        local.db.commit()
        show_progress(f"Updating DocTypes for {app}", at, len(files))
        reach(f"doctype:{doctype}")
        pace()
    print()


def sync_file(path, force=False):
    with open(path, "rb") as file:
        content = file.read()
    doc = json.loads(content)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if force or not is_unchanged(doc["name"], digest):
        if not doc.get("issingle"):
            sync_table(doc)
        record(doc, digest)
    return doc["name"]


def is_unchanged(name, digest):
    add_column("tabDocType", "migration_hash", "varchar(140)")
    return local.db.get_value("DocType", {"name": name}, "migration_hash") == digest


def add_column(table, column, definition):
    local.db.sql(f'alter table "{table}" add column if not exists "{column}" {definition}')


def sync_table(doc):
    table = f"tab{doc['name']}"
    columns = dict(STANDARD)
    if doc.get("istable"):
        columns |= CHILD
    columns |= {field["fieldname"]: TYPES.get(field["fieldtype"], "varchar(140)") for field in doc["fields"]}
    if table not in local.db.tables():
        definitions = ", ".join(f'"{name}" {definition}' for name, definition in columns.items())
        local.db.sql(f'create table "{table}" ({definitions})')
        return
    for name, definition in columns.items():
        if name != "name":
            add_column(table, name, definition)


def record(doc, digest):
    db, name = local.db, doc["name"]
    db.sql('delete from "tabDocField" where parent = %s', (name,))
    known = db.get_value("DocType", {"name": name}, "modified")
    db.sql('delete from "tabDocType" where name = %s', (name,))
    flags = {flag: doc.get(flag, 0) for flag in ("issingle", "istable")}
    modified = datetime.fromisoformat(doc["modified"]) if doc.get("modified") else None
    if modified is None or (known and known >= modified):
        # As Frappe does: the file changed, so its time must go on.
        modified = datetime.now()
    db.insert("DocType", name=name, module=doc["module"], migration_hash=digest, modified=modified, **flags)
    for field in doc["fields"]:
        db.insert("DocField", parent=name, parenttype="DocType", parentfield="fields", **field)


def remove_orphans():
    """Trap: DocTypes that the code does not know are deleted, so older code loses data (docs/frappe-sites.md#orphaned-doctypes)."""
    known = set()
    for app in get_installed_apps():
        for path in doctype_files(app, module_list(app)):
            with open(path) as file:
                known.add(json.load(file)["name"])
    orphans = [name for name in local.db.pluck("DocType", custom=0) if name not in known]
    if orphans:
        print(f"Orphaned DocType(s) found: {', '.join(orphans)}")
    for name in orphans:
        local.db.sql('delete from "tabDocField" where parent = %s', (name,))
        local.db.sql('delete from "tabDocType" where name = %s', (name,))
    local.db.commit()


def show_progress(title, at, total):
    percent = 100 * (at + 1) // total
    bar = "=" * (percent * 40 // 100)
    print(f"\r{title:<25}: [{bar:<40}] {percent}%", end="", flush=True)
