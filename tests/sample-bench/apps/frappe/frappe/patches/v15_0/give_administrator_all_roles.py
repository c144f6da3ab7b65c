"""A patch written for sites that are finished: run on one without Administrator, it fails (docs/frappe-sites.md#killed-new-site)."""

from frappe.context import local
from frappe.exceptions import DoesNotExistError


def execute():
    if not local.db.exists("User", "Administrator"):
        raise DoesNotExistError("User Administrator not found")
    local.db.sql("update \"tabUser\" set enabled = 1 where name = 'Administrator'")
