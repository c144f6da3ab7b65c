"""patches.txt and `Patch Log`. Pending = all patches of all apps − logged where skipped = 0 (docs/frappe-sites.md#pending-patches)."""

import configparser
import importlib
import traceback

import frappe
from frappe.apps import app_path, get_installed_apps
from frappe.barrier import reach
from frappe.context import local

SECTIONS = ("pre_model_sync", "post_model_sync")


def patches_of(app, section=None):
    """Sections, or the old format: a patch a line, all of them before the DocTypes."""
    path = app_path(app, "patches.txt")
    parser = configparser.ConfigParser(allow_no_value=True, delimiters="\n")
    parser.optionxform = str
    try:
        parser.read(path)
    except configparser.MissingSectionHeaderError:
        with open(path) as file:
            lines = [line.strip() for line in file]
        return [line for line in lines if line and line[0] != "#"] if section != "post_model_sync" else []
    return [patch for name in ([section] if section else SECTIONS) if name in parser for patch in parser[name]]


def log_all_as_done(app):
    for patch in patches_of(app):
        local.db.insert("Patch Log", patch=patch)
    local.db.commit()


def run_pending(section, skip_failing=False):
    done = set(local.db.pluck("Patch Log", "patch", skipped=0))
    for app in get_installed_apps():
        for patch in patches_of(app, section):
            if patch not in done:
                run(patch, skip_failing)


def run(patch, skip_failing):
    """Trap: killed in a patch, its schema may be there and the log not; the next migrate runs it again."""
    print(f"Executing {patch} in {local.site} ({local.db.name})")
    statement = patch.removeprefix("execute:") if patch.startswith("execute:") else None
    module = None if statement else importlib.import_module(patch.split(maxsplit=1)[0])
    try:
        exec(statement, {"frappe": frappe}) if statement else module.execute()
        reach(f"patch:{patch}")
        local.db.insert("Patch Log", patch=patch)
        local.db.commit()
    except Exception:
        local.db.rollback()
        if not skip_failing:
            raise
        print("Failed to execute patch")
        local.db.insert("Patch Log", patch=patch, skipped=1, traceback=traceback.format_exc())
        local.db.commit()
    else:
        print("Success: Done")
