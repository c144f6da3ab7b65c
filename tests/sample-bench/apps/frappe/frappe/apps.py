"""apps.txt, importable code and `installed_apps`, and what happens when they disagree (docs/frappe-contract.md#disagreeing-app-lists)."""

import importlib
import json
import os

from frappe.context import local


def get_all_apps(sites_path=None):
    """`sites/apps.txt`, frappe first; without the file every command fails."""
    with open(os.path.join(sites_path or local.sites_path, "apps.txt")) as file:
        apps = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return ["frappe"] + [app for app in apps if app != "frappe"]


def module_list(app):
    path = app_path(app, "modules.txt")
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line.strip().lower().replace(" ", "_") for line in file if line.strip()]


def setup_module_map():
    """Trap: the map is the one of whichever process asked first, until the key is deleted. install-app reads it before it
    clears the cache, and syncs no DocTypes of an app that it lacks (docs/frappe-contract.md#cached-app-lists).
    """
    from frappe.cache import cache

    local.app_modules = cache().get_value("app_modules", modules_by_app)


def modules_by_app():
    return {app: module_list(app) for app in get_all_apps()}


def import_all_apps():
    """Every app of apps.txt is imported at start: one that cannot be stops workers and the scheduler."""
    for app in get_all_apps():
        importlib.import_module(f"{app}.hooks")


def get_installed_apps(on_bench_only=False):
    """The database's list, kept as JSON in tabDefaultValue; blank while it is not there yet."""
    from frappe.cache import cache

    value = local.db.get_value("DefaultValue", {"parent": "__global", "defkey": "installed_apps"}, "defvalue")
    installed = json.loads(value or "[]")
    if on_bench_only:
        # Trap: the cached list hides an app that apps.txt got since, until clear-cache.
        on_bench = cache().get_value("all_apps", get_all_apps)
        installed = [app for app in installed if app in on_bench]
    return installed


def set_installed_apps(apps):
    db = local.db
    db.sql('delete from "tabDefaultValue" where parent = %s and defkey = %s', ("__global", "installed_apps"))
    db.insert(
        "DefaultValue",
        parent="__global",
        parenttype="__global",
        parentfield="system_defaults",
        defkey="installed_apps",
        defvalue=json.dumps(apps),
    )
    db.commit()


def get_attr(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def get_hooks(name, app=None):
    """A hook's values over all installed apps that apps.txt has, in order.

    Trap: those of all apps are cached as they were found by whichever process asked first. One whose apps.txt lacks an
    app hides its hooks from every other process.
    """
    from frappe.cache import cache

    hooks = load_hooks(app) if app else cache().get_value("app_hooks", load_hooks)
    return hooks.get(name, [])


def load_hooks(app=None):
    hooks = {}
    for each in [app] if app else get_installed_apps(on_bench_only=True):
        module = importlib.import_module(f"{each}.hooks")
        for name, hook in vars(module).items():
            if isinstance(hook, (list, dict, str)) and not name.startswith("_"):
                hooks.setdefault(name, []).extend(hook if isinstance(hook, list) else [hook])
    return hooks


def app_path(app, *parts):
    module = importlib.import_module(app)
    return os.path.join(os.path.dirname(module.__file__), *parts)
