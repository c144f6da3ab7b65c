"""For each chosen site: open it, do it, close it."""

from contextlib import contextmanager

from frappe.context import connect, destroy, init, local
from frappe.exceptions import SiteNotSpecified


def each_site(context):
    """The chosen sites; none is an error (list-apps and backup do not ask)."""
    if not context.obj["sites"]:
        raise SiteNotSpecified("Please specify --site sitename")
    return context.obj["sites"]


@contextmanager
def opened(site, database=True):
    init(site)
    try:
        if database:
            connect()
        yield local
    finally:
        destroy()
