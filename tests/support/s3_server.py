"""OpenStack Swift with its S3 API in one process, for tests: python3 -c … FOLDER PORT CERTIFICATE KEY.

Four servers of Debian's python3-swift on one device with one replica. The three behind the proxy listen on ports that the
kernel chooses. There are two buckets, `plain` and `versioned`. Prints `ready` when it can be used, and each request that it
denies. With TLS, because Swift does not know the chunked signatures that clients use without.
"""

import os
import re
import sys

import eventlet

eventlet.monkey_patch()

from eventlet import wsgi  # noqa: E402
from paste.deploy import loadapp  # noqa: E402
from swift.common import swob, utils  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402

folder, port, certificate, key = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
# Of /etc/swift/swift.conf, which no test has.
utils.HASH_PATH_PREFIX = utils.HASH_PATH_SUFFIX = b"test"

SERVER = """[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
log_address = {folder}/no-syslog
[app:main]
use = egg:swift#{kind}
"""

# `cache` is there because tempauth refuses to work without it. Nothing listens at its address: S3 has no tokens to cache.
PROXY = """[DEFAULT]
swift_dir = {folder}
log_address = {folder}/no-syslog
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth copy slo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:copy]
use = egg:swift#copy
[filter:symlink]
use = egg:swift#symlink
[filter:slo]
use = egg:swift#slo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:s3api]
use = egg:swift#s3api
dns_compliant_bucket_names = false
[filter:tempauth]
use = egg:swift#tempauth
user_backup_owner = canary-owner .admin
user_backup_writer = canary-writer .admin
user_backup_reader = canary-reader .admin
"""

# The rules of docs/backups.md#rights. Swift's own ACLs know only "write", which includes "delete".
READ = {"GetBucketLocation", "ListBucket", "GetObject"}
RIGHTS = {
    "backup:owner": READ | {"PutObject", "DeleteLock", "DeleteObject"},
    "backup:writer": READ | {"PutObject", "DeleteLock"},
    "backup:reader": READ,
}


def action(method, path, query):
    _, bucket, key = (path.split("/", 2) + ["", ""])[:3]
    if not key:
        if method in ("GET", "HEAD"):
            return "GetBucketLocation" if query.startswith("location") else "ListBucket"
        return method + " of a bucket"
    if method == "DELETE":
        return "DeleteLock" if "/locks/" in "/" + key else "DeleteObject"
    return {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject"}.get(method, method + " of an object")


class Rights:
    """Refuses what the rules do not allow the user of the request, whose signature Swift examines after it."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environment, start_response):
        found = re.search(r"Credential=([^/]+)/", environment.get("HTTP_AUTHORIZATION", ""))
        wanted = action(environment["REQUEST_METHOD"], environment["PATH_INFO"], environment.get("QUERY_STRING", ""))
        allowed = RIGHTS.get(found and found[1])
        if allowed is None or wanted in allowed:
            return self.app(environment, start_response)
        print("denied:", found[1], wanted, environment["PATH_INFO"], flush=True)
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"]


def app(kind, text):
    path = os.path.join(folder, kind + ".conf")
    with open(path, "w") as file:
        file.write(text.format(folder=folder, kind=kind))
    return loadapp("config:" + path, name="main")


os.makedirs(os.path.join(folder, "devices", "d1"), exist_ok=True)
for kind in ("account", "container", "object"):
    listener = eventlet.listen(("127.0.0.1", 0))
    ring = RingBuilder(8, 1, 0)
    ring.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "device": "d1",
                  "port": listener.getsockname()[1]})
    ring.rebalance()
    ring.get_ring().save(os.path.join(folder, kind + ".ring.gz"))
    eventlet.spawn_n(wsgi.server, listener, app(kind, SERVER), log_output=False)

listener = eventlet.listen(("127.0.0.1", port))
listener = eventlet.wrap_ssl(listener, certfile=certificate, keyfile=key, server_side=True)
proxy = app("proxy", PROXY)
for bucket, headers in (("plain", {}), ("versioned", {"X-Versions-Enabled": "true"})):
    made = swob.Request.blank("/v1/AUTH_backup/" + bucket, headers=headers, method="PUT",
                              environ={"swift.authorize_override": True}).get_response(proxy)
    assert made.status_int in (201, 202), made.status
print("ready", flush=True)
wsgi.server(listener, Rights(proxy), log_output=False)
