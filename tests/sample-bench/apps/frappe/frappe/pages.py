"""Web pages: /login and everything else, which links its bundles through `assets_json` (docs/frappe-contract.md#assets)."""

import importlib
import json
import os
import time

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from frappe.apps import get_installed_apps
from frappe.cache import cache
from frappe.context import local
from frappe.generation import is_frappe_16

PAGE = """<!DOCTYPE html>
<html><head><title>{title}</title>
<link rel="stylesheet" href="{style}"><script src="{script}"></script></head>
<body data-site="{site}"><h1>{title}</h1></body></html>
"""
PAGES = {"/": "Home", "/login": "Login", "/app": "Desk"}


def render(request):
    if request.path not in PAGES:
        raise NotFound
    # Every installed app is imported here, the missing ones too: /login is 500 where ping is 200.
    for app in get_installed_apps():
        importlib.import_module(f"{app}.hooks")
    return Response(page(PAGES[request.path]), mimetype="text/html")


def page(title):
    style, script = bundle("website.bundle.css"), bundle("frappe-web.bundle.js")
    return PAGE.format(title=title, style=style, script=script, site=local.site)


def error_page(title):
    """Links the bundles as well, so without them it fails like the page it stands for."""
    return page(title) if getattr(local, "db", None) else f"<h1>{title}</h1>"


# Frappe 16 keeps the value in the process too, for ten minutes, and a deleted key does not end that.
CLIENT_CACHE_S = 600
_no_assets_until = 0.0


def bundle(name):
    """Trap: with the files hidden and the key gone, None is kept in Redis and in the thread's `local`; in 16, in the process."""
    global _no_assets_until
    if is_frappe_16() and time.monotonic() < _no_assets_until:
        raise TypeError("'NoneType' object is not subscriptable")
    if not hasattr(local, "assets_json"):
        local.assets_json = cache().get_shared("assets_json", read_assets)
    if local.assets_json is None:
        _no_assets_until = time.monotonic() + CLIENT_CACHE_S
    return local.assets_json[name]


def read_assets():
    folder = os.path.join(local.sites_path, "assets")
    if not os.path.exists(os.path.join(folder, "assets.json")):
        return None
    assets = {}
    for name in ("assets.json", "assets-rtl.json"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path) as file:
                assets |= json.load(file)
    return assets
