"""OpenStack Swift with its S3 API in one process, for tests: python3 -c … FOLDER PORT CERTIFICATE KEY POLICIES.

Four servers of Debian's python3-swift on one device with one replica. The three behind the proxy listen on ports that the
kernel chooses. There are two buckets, `plain` and `versioned`. A filter enforces POLICIES, a JSON object of AWS policies by user, in
which the bucket `backups` stands for both. Prints `ready` when it can be used, and each request that it denies. With TLS, because Swift does not know the chunked signatures that clients use without.
"""

import json
import os
import re
import sys
from fnmatch import fnmatchcase

import eventlet

eventlet.monkey_patch()

from eventlet import wsgi  # noqa: E402
from paste.deploy import loadapp  # noqa: E402
from swift.common import swob, utils  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402

folder, port, certificate, key = sys.argv[1], int(sys.argv[2]), *sys.argv[3:5]
POLICIES = json.loads(sys.argv[5])
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


def wanted(method, path, query):
    """The action of a request, and its resource."""
    _, _, key = (path.split("/", 2) + ["", ""])[:3]
    reads = method in ("GET", "HEAD")
    if not key:
        action = "ListBucket" if reads else method + " of a bucket"
        return "s3:GetBucketLocation" if query.startswith("location") else "s3:" + action, "arn:aws:s3:::backups"
    action = "GetObject" if reads else {"PUT": "PutObject", "DELETE": "DeleteObject"}.get(method, method + " of an object")
    return "s3:" + action, "arn:aws:s3:::backups/" + key


def allows(policy, action, resource):
    def matches(patterns, word):
        return any(fnmatchcase(word, pattern) for pattern in ([patterns] if isinstance(patterns, str) else patterns))

    return any(statement["Effect"] == "Allow" and matches(statement["Action"], action)
               and matches(statement["Resource"], resource) for statement in policy["Statement"])


class Rights:
    """Refuses what the policy of the request's user does not allow. Swift examines the signature after it. Swift's own access
    lists know only "write", which includes "delete"."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environment, start_response):
        found = re.search(r"Credential=backup:([^/]+)/", environment.get("HTTP_AUTHORIZATION", ""))
        policy = POLICIES.get(found and found[1])
        path = environment["PATH_INFO"]
        action, resource = wanted(environment["REQUEST_METHOD"], path, environment.get("QUERY_STRING", ""))
        if policy is None or allows(policy, action, resource):
            return self.app(environment, start_response)
        print("denied:", found[1], action, path, flush=True)
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
