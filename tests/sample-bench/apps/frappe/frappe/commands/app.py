"""install-app, list-apps and their opposites."""

import json
import sys
import traceback

import click

from frappe.apps import get_installed_apps
from frappe.commands.sites import each_site, opened
from frappe.context import local
from frappe.exceptions import DoesNotExistError
from frappe.filelocks import filelock
from frappe.install_app import install_app as install
from frappe.install_app import remove_from_installed_apps as remove
from frappe.install_app import uninstall_app as uninstall


@click.command("install-app")
@click.argument("apps", nargs=-1)
@click.option("--force", is_flag=True)
@click.pass_context
def install_app(context, apps, force):
    """Install apps on a site; the first that fails does not stop the next."""
    failed = False
    for site in each_site(context):
        with opened(site), filelock("install_app", timeout_s=1):
            for app in apps:
                try:
                    install(app, force=force)
                except Exception as error:
                    local.db.rollback()
                    print(f"An error occurred while installing {app}: {error}\n{traceback.format_exc()}")
                    failed = True
            if not failed:
                local.db.commit()
    sys.exit(int(failed))


@click.command("list-apps")
@click.option("--format", "-f", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def list_apps(context, form):
    """Trap: no site exits 0, and so does a half-built one (docs/frappe-contract.md#misleading-exit-codes)."""
    summary = {}
    for site in context.obj["sites"]:
        with opened(site):
            lines, summary[site] = installed_applications()
        if form == "text" and lines:
            print("\n".join(["", *lines, ""]))
    if form == "json":
        print(json.dumps(summary))


def installed_applications():
    """`Installed Application` rows if a migrate wrote them, else the bare names of installed_apps."""
    db = local.db
    if not db.exists("DocType", "Installed Applications"):
        raise DoesNotExistError("DocType Installed Applications not found")
    rows = db.sql('select app_name, app_version, git_branch from "tabInstalled Application" order by creation')
    if rows:
        return [" ".join(row) for row in rows], [row[0] for row in rows]
    return get_installed_apps(), []


@click.command("remove-from-installed-apps")
@click.argument("app")
@click.pass_context
def remove_from_installed_apps(context, app):
    """Take an app off the list and leave all else."""
    for site in each_site(context):
        with opened(site):
            remove(app)


@click.command("uninstall-app")
@click.argument("app")
@click.option("--yes", "-y", is_flag=True)
@click.option("--dry-run", is_flag=True)
@click.option("--no-backup", is_flag=True)
@click.option("--force", is_flag=True)
@click.pass_context
def uninstall_app(context, app, yes, dry_run, no_backup, force):
    """Remove an app with its DocTypes and their data."""
    for site in each_site(context):
        with opened(site):
            if not (dry_run or yes):
                click.confirm("All doctypes related to this app will be deleted. Continue?", abort=True)
            uninstall(app, dry_run, force)


commands = [install_app, list_apps, remove_from_installed_apps, uninstall_app]
