# Imported by every Python of a pod at its start (https://docs.python.org/3/library/site.html). The site folders in a
# pod's overlay are links into the volume, and Frappe ignores a site folder that is a link (frappe.utils.get_sites): the
# scheduler would enqueue nothing, a site would have no logs, and `--site all` would select no site.
import importlib.machinery
import importlib.util
import os
import re
import sys

import cauldron_code_caches

REDIS_URL = re.compile(r'(?:rediss?|unix)://[^\s"<>]+')
LOGIN = re.compile(r"//.*@")
LOGIN_PARAMETER = re.compile(r"([?&](?:user|username|pass|password)=)[^&]*")


def hide_links_of(sites):
    is_link = os.path.islink

    def islink(path):
        return is_link(path) and os.path.realpath(os.path.dirname(os.path.abspath(path))) != sites

    os.path.islink = islink


def without_login(url):
    return LOGIN_PARAMETER.sub(r"\1***", LOGIN.sub("//***@", url.group()))


def hide_logins_in(stream):
    """Takes the logins out of Redis URLs: Frappe prints that of a Redis that is away (frappe.utils.background_jobs)."""
    write = getattr(stream, "write", None)

    def write_without_logins(text):
        if isinstance(text, str) and "://" in text:
            text = REDIS_URL.sub(without_login, text)
        return write(text)

    try:
        stream.write = write_without_logins
    except AttributeError:
        # No stream, or one that takes no attributes.
        pass


def run_next_sitecustomize():
    """Runs the next sitecustomize on the path, for example that of an agent or of the distribution."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


hide_links_of(os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sites")))
hide_logins_in(sys.stdout)
hide_logins_in(sys.stderr)
cauldron_code_caches.install(os.path.dirname(os.path.abspath(__file__)))
run_next_sitecustomize()
