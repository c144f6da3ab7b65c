"""Web pages: /login and everything else, which links its bundles through `assets_json` (FRAPPE.md, "Assets")."""

import importlib
import json
import os

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from frappe.apps import get_installed_apps
from frappe.cache import cache
from frappe.context import local

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
    page = PAGE.format(
        title=PAGES[request.path],
        style=bundle("website.bundle.css"),
        script=bundle("frappe-web.bundle.js"),
        site=local.site,
    )
    return Response(page, mimetype="text/html")


def bundle(name):
    """Trap: with the files hidden and the key gone, None gets cached and the thread goes on failing."""
    return assets_json()[name]


def assets_json():
    return cache().get_shared("assets_json", read_assets)


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
