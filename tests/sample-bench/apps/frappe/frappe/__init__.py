"""The sample bench's `frappe`: Frappe 15's process contract (docs/frappe-contract.md), none of its features.

Every module says which fact of it it reproduces. Nothing here is Frappe's code.
"""

from frappe import cache
from frappe.apps import get_all_apps, get_attr, get_hooks, get_installed_apps, setup_module_map
from frappe.context import connect, destroy, init, local, site_context
from frappe.methods import whitelist

__version__ = "15.55.1"

__all__ = [
    "cache",
    "connect",
    "destroy",
    "get_all_apps",
    "get_attr",
    "get_hooks",
    "get_installed_apps",
    "init",
    "local",
    "setup_module_map",
    "site_context",
    "whitelist",
]
