"""/api/method/NAME: ping, login, who am I, and whitelisted functions."""

import json

from werkzeug.wrappers import Response

from frappe.apps import get_attr
from frappe.context import local
from frappe.exceptions import PermissionDenied, ValidationError
from frappe.methods import WHITELIST
from frappe.session import login


def call(request, method):
    arguments = {**request.args.to_dict(), **request.form.to_dict()}
    if request.is_json:
        arguments |= request.get_json()
    data = BUILT_IN[method]() if method in BUILT_IN else call_whitelisted(method, arguments)
    return data if isinstance(data, Response) else as_json({"message": data})


def call_whitelisted(method, arguments):
    try:
        function = get_attr(method)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValidationError(f"Failed to get method for command {method}") from error
    allow_guest = WHITELIST.get(method)
    if allow_guest is None or (local.user == "Guest" and not allow_guest):
        raise PermissionDenied(f"{method} is not whitelisted")
    return function(**arguments)


def form_dict(request):
    """The query and the form, or JSON alone."""
    if request.get_data() and request.is_json:
        fields = request.get_json()
        return fields if isinstance(fields, dict) else {}
    return {**request.args.to_dict(), **request.form.to_dict()}


def is_login(request):
    """On any path: this is decided before the request is dispatched (docs/frappe-contract.md#logins)."""
    return request.path == "/api/method/login" or form_dict(request).get("cmd") == "login"


def log_in(arguments):
    sid = login(arguments.get("usr"), arguments.get("pwd"))
    response = as_json({"message": "Logged In", "home_page": "/app"})
    response.set_cookie("sid", sid, httponly=True)
    return response


def as_json(body):
    return Response(json.dumps(body, default=str, separators=(",", ":")), mimetype="application/json")


def user_info():
    """socketio.js calls back here, at the browser's Origin."""
    return {"user": local.user, "user_type": "System User" if local.user != "Guest" else "Website User"}


BUILT_IN = {
    "ping": lambda: "pong",
    "frappe.auth.get_logged_user": lambda: local.user,
    "frappe.realtime.get_user_info": user_info,
}
