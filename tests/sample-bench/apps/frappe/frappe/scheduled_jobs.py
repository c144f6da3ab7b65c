"""Scheduled Job Types: synced from the hooks of the installed apps that apps.txt has; others are dropped."""

from frappe.apps import get_hooks
from frappe.context import local


def wanted_jobs():
    """Trap: with installed_apps blank there is nothing to iterate, so a migrate of a half-built site fails here."""
    jobs = {}
    for events in get_hooks("scheduler_events") or None:
        for frequency, methods in events.items():
            if frequency == "cron":
                for cron_format, cron_methods in methods.items():
                    jobs |= {method: ("Cron", cron_format) for method in cron_methods}
            else:
                jobs |= {method: (frequency.replace("_", " ").title(), None) for method in methods}
    return jobs


def sync_jobs():
    """Not committed here: killed before new-site's last commit, no job is left (the contract's edge k)."""
    db, wanted = local.db, wanted_jobs()
    there = db.pluck("Scheduled Job Type", "method")
    for method, (frequency, cron_format) in wanted.items():
        if method not in there:
            name = ".".join(method.split(".")[-2:])
            db.insert("Scheduled Job Type", name=name, method=method, frequency=frequency, cron_format=cron_format)
    for method in there:
        if method not in wanted:
            db.sql('delete from "tabScheduled Job Type" where method = %s', (method,))
