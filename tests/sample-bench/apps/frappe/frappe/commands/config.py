"""set-config, show-config, version, execute, maintenance mode."""

import ast
import importlib
import json
import os

import click

from frappe.apps import get_all_apps, get_attr
from frappe.commands.sites import each_site, opened
from frappe.config import common_config_path, update_config
from frappe.context import local, site_context
from frappe.paths import site_path


@click.command("set-config")
@click.argument("key")
@click.argument("value")
@click.option("-g", "--global", "whole_bench", is_flag=True)
@click.option("-p", "--parse", is_flag=True)
@click.pass_context
def set_config(context, key, value, whole_bench, parse):
    """Write a key, as text unless --parse reads it as Python."""
    value = ast.literal_eval(value) if parse else value
    if whole_bench:
        update_config(key, value, common_config_path(os.getcwd()), whole_bench=True)
        return
    for site in each_site(context):
        with opened(site, database=False):
            update_config(key, value, site_path("site_config.json"))


@click.command("show-config")
@click.option("--format", "-f", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def show_config(context, form):
    """Print each site's merged configuration."""
    shown = {}
    for site in each_site(context):
        with opened(site, database=False):
            shown[site] = dict(local.conf)
    if form == "json":
        print(json.dumps(shown))
        return
    for conf in shown.values():
        for key, value in sorted(conf.items()):
            print(f"{key} {value}")


@click.command("set-maintenance-mode")
@click.option("--site")
@click.argument("state", type=click.Choice(["on", "off"]))
@click.pass_context
def set_maintenance_mode(context, site, state):
    """Answer 503 to everything, or no longer."""
    for each in [site] if site else each_site(context):
        with opened(each, database=False):
            update_config("maintenance_mode", int(state == "on"), site_path("site_config.json"))


@click.command("version")
@click.option("-f", "--format", "form", type=click.Choice(["plain", "table", "json", "legacy"]), default="legacy")
def version(form):
    """Print the versions of the apps in apps.txt."""
    with site_context():
        versions = {app: importlib.import_module(app).__version__ for app in sorted(get_all_apps())}
    if form == "json":
        print(json.dumps([{"app": app, "version": number} for app, number in versions.items()]))
        return
    for app, number in versions.items():
        print(f"{app} {number}")


@click.command("execute")
@click.argument("method")
@click.option("--args")
@click.option("--kwargs")
@click.pass_context
def execute(context, method, args, kwargs):
    """Call a function and print what it returns as JSON."""
    for site in each_site(context):
        with opened(site):
            positional = ast.literal_eval(args) if args else ()
            result = get_attr(method)(*positional, **(ast.literal_eval(kwargs) if kwargs else {}))
            local.db.commit()
        if result:
            print(json.dumps(result, default=str))


commands = [set_config, show_config, set_maintenance_mode, version, execute]
