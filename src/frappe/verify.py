# Uses a running site as a browser does (login page, its assets, a live event as Guest) and has a worker run one job that
# changes nothing. The request comes as JSON in the first argument (commands/verify.rs). One line for each check; exit 69
# if one failed. All requests use one connection: of several pods, the same one answers them.
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import sys
import time
import urllib.parse

request = json.loads(sys.argv[1])
site, timeout_s = request["site"], request["timeout_s"]
web, origin = urllib.parse.urlsplit(request["url"]), urllib.parse.urlsplit(request["origin"])
deadline = time.monotonic() + timeout_s
EVENT = "cauldron_verify"


def left():
    """The remaining seconds; never 0, which would make a socket non-blocking."""
    return max(deadline - time.monotonic(), 0.1)


class Connection(http.client.HTTPConnection):
    def connect(self):
        port = web.port or (443 if web.scheme == "https" else 80)
        self.sock = socket.create_connection((web.hostname, port), timeout=left())
        if web.scheme == "https":
            context = ssl.create_default_context(cafile=request["ca"])
            if not request["verifies"]:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            # The certificate is for the site's name, not for the Service's.
            self.sock = context.wrap_socket(self.sock, server_hostname=origin.hostname)


connection = Connection(origin.netloc)


def ask(path, body=None):
    headers = {"Host": origin.netloc, "Origin": request["origin"], "Cookie": "sid=Guest"}
    if body is not None:
        headers["Content-Type"] = "text/plain;charset=UTF-8"
    connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
    if connection.sock:
        connection.sock.settimeout(left())
    answer = connection.getresponse()
    return answer.status, answer.read().decode("utf-8", "replace")


def expect(path):
    status, text = ask(path)
    if status != 200:
        raise RuntimeError(f"GET {path} gave {status}")
    return text


def web_port():
    expect("/api/method/ping")
    return f"{request['url']} answers as {origin.netloc}"


def login_page():
    page = expect("/login")
    assets = sorted(set(re.findall(r"""["'](/assets/[^"'?#]+)""", page)))
    for path in assets:
        expect(path)
    return f"/login and its {len(assets)} assets"


def live_event():
    """Socket.IO by polling: open, join the site's namespace as Guest, publish to everybody's room, and wait for it."""
    from frappe.realtime import publish_realtime

    base = "/socket.io/?EIO=4&transport=polling"
    base += "&sid=" + urllib.parse.quote(json.loads(expect(base)[1:])["sid"])
    ask(base, f"40/{site},")
    token, is_joined = secrets.token_hex(8), False
    while time.monotonic() < deadline:
        for packet in expect(base).split("\x1e"):
            if packet == "2":
                ask(base, "3")
            elif packet.startswith(f"44/{site},"):
                raise RuntimeError(f"the server refused Guest: {packet.split(',', 1)[1]}")
            elif packet.startswith(f"40/{site},") and not is_joined:
                is_joined = True
                publish_realtime(EVENT, {"token": token}, "website")
            elif packet.startswith(f"42/{site},") and token in packet:
                return "published and heard"
    raise RuntimeError("no event was heard")


def job():
    from frappe.utils.background_jobs import enqueue

    started, job = time.monotonic(), enqueue("frappe.get_all_apps", queue=request["queue"])
    while time.monotonic() < deadline:
        status = job.get_status()
        status = getattr(status, "value", status)
        if status == "finished":
            return f"a worker ran it in the queue {request['queue']} after {time.monotonic() - started:.1f} s"
        if status in ("failed", "stopped", "canceled"):
            raise RuntimeError(f"job {job.id} is {status}")
        time.sleep(0.1)
    raise RuntimeError(f"job {job.id} is still {status} in the queue {request['queue']} after {timeout_s} s")


def open_site():
    import frappe

    os.chdir("sites")
    frappe.init(site)
    frappe.connect()
    return f"{site} can be opened"


checks = [open_site, web_port, login_page, job] + [live_event] * request["live_events"]
failed = 0
for check in checks:
    deadline = time.monotonic() + timeout_s
    name = check.__name__.replace("_", " ")
    try:
        print(f"ok      {name:11} {check()}", flush=True)
    except Exception as error:
        connection.close()
        failed += 1
        print(f"failed  {name:11} {type(error).__name__}: {error}", flush=True)
sys.exit(69 if failed else 0)
