"""Frappe's own place for it."""

from frappe.scheduled_jobs import sync_jobs

__all__ = ["sync_jobs"]
