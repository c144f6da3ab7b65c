"""Whether the servers of a site answer (docs/frappe-sites.md#connection-check-of-migrate)."""

import socket
from urllib.parse import urlparse

from frappe.context import local


def is_open(scheme, host, port, path, timeout=10):
    """Trap: IPv4 only. An IPv6 address and the folder of a Unix socket count as down."""
    family, address = (socket.AF_UNIX, path) if scheme == "unix" else (socket.AF_INET, (host, int(port)))
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            client.connect(address)
        except OSError:
            return False
    return True


def closed_services():
    """Trap: a Redis URL without a port crashes here, with `int(None)`."""
    conf, cache = local.conf, urlparse(local.conf.redis_cache)
    if conf.db_socket:
        database = is_open("unix", None, None, conf.db_socket)
    else:
        database = is_open(conf.db_type, conf.db_host, conf.db_port, None)
    found = {conf.db_type: database, "redis_cache": is_open(cache.scheme, cache.hostname, cache.port, cache.path)}
    return [name for name, answers in found.items() if not answers]
