"""worker, doctor, purge-jobs, ready-for-migration."""

import sys

import click

from frappe.commands.sites import each_site
from frappe.context import site_context
from frappe.utils.background_jobs import get_queues, pending_job_ids, start_worker, worker_names


@click.command("worker")
@click.option("--queue")
@click.option("--quiet", is_flag=True)
@click.option("-u", "--rq-username")
@click.option("-p", "--rq-password")
@click.option("--burst", is_flag=True)
@click.option("--strategy", type=click.Choice(["round_robin", "random"]))
def worker(queue, quiet, rq_username, rq_password, burst, strategy):
    """One RQ worker on the queues of a comma list, or on all."""
    start_worker(queue, quiet, burst, rq_username, rq_password)


@click.command("doctor")
@click.option("--site")
@click.pass_context
def doctor(context, site):
    """Workers and queue lengths."""
    with site_context(site or ""):
        print(f"-----Workers online: {len(worker_names())}-----")
        for queue in get_queues():
            print(f"{queue.name}: {queue.count}")


@click.command("purge-jobs")
@click.option("--site")
def purge_jobs(site):
    """Empty the queues."""
    with site_context(site or ""):
        print(f"Purged {sum(queue.empty() for queue in get_queues())} jobs")


@click.command("ready-for-migration")
@click.option("--site")
@click.pass_context
def ready_for_migration(context, site):
    """Trap: looks at queued jobs only, not at running ones (docs/frappe-sites.md#pending-patches)."""
    site = site or each_site(context)[0]
    with site_context(site):
        waiting = any(job_id.startswith(site) for job_id in pending_job_ids())
    print(f"{'NOT READY' if waiting else 'READY'} for migration: site {site}")
    sys.exit(int(waiting))


commands = [worker, doctor, purge_jobs, ready_for_migration]
