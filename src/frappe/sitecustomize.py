# Imported by every Python of a pod at its start (https://docs.python.org/3/library/site.html). The site folders of a
# pod's view are links into the volume, and Frappe takes a folder that is a link for no site (frappe.utils.get_sites): the
# scheduler would enqueue nothing, a site would have no logs, and `--site all` would mean none.
import importlib.machinery
import importlib.util
import os
import sys


def hide_links_of(sites):
    is_link = os.path.islink

    def islink(path):
        return is_link(path) and os.path.realpath(os.path.dirname(os.path.abspath(path))) != sites

    os.path.islink = islink


def run_the_next():
    """Whatever else is to be imported at the start: an agent's, say, or the distribution's."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


hide_links_of(os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sites")))
run_the_next()
