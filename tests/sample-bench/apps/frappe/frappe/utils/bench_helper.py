"""`python -m frappe.utils.bench_helper frappe [--site S] COMMAND …`, run in sites/.

docs/frappe-contract.md#running-without-bench
"""

import importlib
import os
import traceback

import click

from frappe.apps import get_all_apps
from frappe.config import read_config
from frappe.exceptions import SiteDoesNotExist
from frappe.generation import is_frappe_16
from frappe.paths import get_sites


def commands_of(app):
    """An app that cannot be imported is shown and skipped: the others' commands still run."""
    try:
        module = importlib.import_module(f"{app}.commands")
    except ModuleNotFoundError as error:
        if error.name != f"{app}.commands":
            traceback.print_exc()
        return []
    except Exception:
        traceback.print_exc()
        return []
    return module.commands


def chosen_sites(site):
    """--site, FRAPPE_SITE, default_site: only commands choose so, the web process never does."""
    if site == "all":
        return get_sites()
    site = site or os.environ.get("FRAPPE_SITE") or read_config(".").default_site
    return [site] if site else []


class FrappeGroup(click.Group):
    """From Frappe 16 on, an unknown site is an error in the command line (2)."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except SiteDoesNotExist as error:
            if is_frappe_16():
                raise click.UsageError(str(error), ctx) from error
            raise


@click.group("frappe", cls=FrappeGroup)
@click.option("--site")
@click.option("--profile", is_flag=True)
@click.option("--verbose", is_flag=True)
@click.option("--force", is_flag=True)
@click.pass_context
def frappe_group(context, site, profile, verbose, force):
    context.obj = {"sites": chosen_sites(site), "force": force, "verbose": verbose}


def main():
    for app in get_all_apps("."):
        for command in commands_of(app):
            frappe_group.add_command(command)
    click.Group(commands={"frappe": frappe_group})(prog_name="bench")


if __name__ == "__main__":
    main()
