# Imported by every Python of a pod at its start (https://docs.python.org/3/library/site.html). The site folders in a
# pod's overlay are links into the volume, and Frappe ignores a site folder that is a link (frappe.utils.get_sites): the
# scheduler would enqueue nothing, a site would have no logs, and `--site all` would select no site.
import importlib.machinery
import importlib.util
import os
import sys


def hide_links_of(sites):
    is_link = os.path.islink

    def islink(path):
        return is_link(path) and os.path.realpath(os.path.dirname(os.path.abspath(path))) != sites

    os.path.islink = islink


def run_next_sitecustomize():
    """Runs the next sitecustomize on the path, for example that of an agent or of the distribution."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


hide_links_of(os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sites")))
run_next_sitecustomize()
