"""Whether the scheduler runs, and running it."""

import time

import click

from frappe.barrier import reach
from frappe.commands.sites import each_site, opened
from frappe.config import update_config
from frappe.context import local
from frappe.paths import site_path
from frappe.utils.scheduler import is_scheduler_inactive, start_scheduler


def set_enabled(context, enabled):
    for site in each_site(context):
        with opened(site):
            local.db.set_single("System Settings", "enable_scheduler", int(enabled))
            local.db.commit()
        reach("scheduler_enabled" if enabled else "scheduler_disabled")
        print(f"{'Enabled' if enabled else 'Disabled'} for {site}")


@click.command("enable-scheduler")
@click.pass_context
def enable_scheduler(context):
    """Enable scheduler."""
    set_enabled(context, True)


@click.command("disable-scheduler")
@click.pass_context
def disable_scheduler(context):
    """Disable scheduler."""
    set_enabled(context, False)


@click.command("scheduler")
@click.option("--site")
@click.argument("state", type=click.Choice(["pause", "resume", "disable", "enable", "status"]))
@click.option("--format", "-f", "form", type=click.Choice(["json", "text"]), default="text")
@click.option("--verbose", "-v", is_flag=True)
@click.pass_context
def scheduler(context, site, state, form, verbose):
    """Trap: status exits 0 whatever it says."""
    site = site or each_site(context)[0]
    with opened(site, database=state not in ("pause", "resume")):
        status = f"{state}d"
        if state == "status":
            status = "disabled" if is_scheduler_inactive() else "enabled"
        elif state in ("pause", "resume"):
            update_config("pause_scheduler", state == "pause", site_path("site_config.json"))
        else:
            local.db.set_single("System Settings", "enable_scheduler", int(state == "enable"))
            local.db.commit()
    if form == "json":
        print(f'{{"status": "{status}", "site": "{site}"}}')
    else:
        print(f"Scheduler is {status} for site {site}")


@click.command("schedule")
def schedule():
    """The scheduler process: a late start, then one tick after another."""
    time.sleep(0.5)
    start_scheduler()


commands = [enable_scheduler, disable_scheduler, scheduler, schedule]
