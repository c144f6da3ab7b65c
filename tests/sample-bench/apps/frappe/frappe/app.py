"""The WSGI application (docs/frappe-contract.md#running-without-bench, docs/frappe-contract.md#ping).

The site is X-Frappe-Site-Name's or Host's, never default_site. Static files are not served: /assets is 404.
"""

import json
import mimetypes
import os
import traceback
from urllib.parse import quote

from werkzeug.exceptions import HTTPException
from werkzeug.utils import safe_join
from werkzeug.wrappers import Request, Response

from frappe.context import connect, destroy, init, local
from frappe.exceptions import FrappeError, PermissionDenied, SessionStopped
from frappe.pages import error_page, render
from frappe.rpc import call, form_dict, is_login, log_in
from frappe.session import resume

SITES_PATH = os.environ.get("SITES_PATH", ".")


@Request.application
def application(request):
    """Trap: what closes the site comes last, so a request whose error page fails too leaves everything open.

    Its session stays idle in transaction and in migrate's way (docs/frappe-contract.md#leaked-transaction), and the thread's `local` keeps
    what it has, until the thread's next request.
    """
    try:
        open_site(request)
        response = answer(request)
        local.db.commit() if request.method in ("POST", "PUT", "DELETE") else local.db.rollback()
    except HTTPException as error:
        response = error
    except Exception as error:
        response = error_response(request, error)
    destroy()
    return response


def open_site(request):
    local.is_request = True
    local.request = request
    site = request.headers.get("X-Frappe-Site-Name") or request.host.split(":")[0]
    init(site, SITES_PATH)
    if not local.conf.db_name:
        raise FrappeError(f"{site}/site_config.json has no db_name")
    connect()
    if local.conf.maintenance_mode:
        if not local.conf.allow_reads_during_maintenance:
            raise SessionStopped("Session Stopped")
        local.db.sql("set transaction read only")
    resume(request)


def answer(request):
    if request.method != "OPTIONS" and is_login(request):
        return log_in(form_dict(request))
    if request.path.startswith("/api/method/"):
        return call(request, request.path.removeprefix("/api/method/"))
    if request.path.startswith("/private/files/"):
        return private_file(request)
    return render(request)


def private_file(request):
    """The right is checked here; the bytes are the web server's to send, where it says that it can."""
    if local.user == "Guest":
        raise PermissionDenied("not for guests")
    if not request.headers.get("X-Use-X-Accel-Redirect"):
        raise FrappeError("the sample sends no files itself")
    response = Response(mimetype=mimetypes.guess_type(request.path)[0] or "application/octet-stream")
    response.headers["X-Accel-Redirect"] = quote("/protected" + request.path)
    return response


def error_response(request, error):
    status = getattr(error, "http_status", 500)
    if status >= 500 and not isinstance(error, FrappeError):
        traceback.print_exc()
    if request.path.startswith("/api/"):
        body = {"exc_type": type(error).__name__, "exception": str(error)}
        return Response(json.dumps(body), status=status, mimetype="application/json")
    return Response(error_page(type(error).__name__), status=status, mimetype="text/html")


def application_with_statics():
    """**Never use this**: it joins `/files/…` without a safe join, so `..` reaches site_config.json."""

    @Request.application
    def with_statics(request):
        if request.path.startswith("/assets/"):
            path = safe_join(os.path.join(SITES_PATH, "assets"), request.path.removeprefix("/assets/"))
        elif request.path.startswith("/files/"):
            site = request.headers.get("X-Frappe-Site-Name") or request.host.split(":")[0]
            path = os.path.join(SITES_PATH, site, "public", request.path.lstrip("/"))
        else:
            return application
        if not path or not os.path.isfile(path):
            return Response("not found", status=404)
        with open(path, "rb") as file:
            return Response(file.read())

    return with_statics
