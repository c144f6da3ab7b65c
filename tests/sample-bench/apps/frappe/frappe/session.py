"""Who asks: the user of the sid (`?sid=`, else the cookie), else Guest. On a half-built site this is where a request fails."""

import secrets
from datetime import datetime

from frappe.apps import get_hooks, get_installed_apps
from frappe.context import local
from frappe.exceptions import AuthenticationError, DoesNotExistError, PermissionDenied, ValidationError
from frappe.generation import is_frappe_16
from frappe.passwords import check_password


def resume(request):
    """Importing the hooks of the installed apps comes first: no table at all is 500, no user 417 (16: 404 without apps, else 403)."""
    get_hooks("before_request")
    sid = request.args.get("sid") or request.cookies.get("sid", "Guest")
    rows = local.db.sql('select "user" from "tabSessions" where sid = %s', (sid,)) if sid != "Guest" else []
    local.user = rows[0][0] if rows else "Guest"
    require_user(local.user)


def require_user(user):
    if "tabUser" not in local.db.tables() or not local.db.exists("User", user):
        kind = ValidationError
        if is_frappe_16():
            kind = PermissionDenied if get_installed_apps() else DoesNotExistError
        raise kind(f"User {user} is disabled or missing")


def login(user, password):
    """A login is what keeps the scheduler from going dormant: it writes an Activity Log."""
    if not check_password(user, password):
        raise AuthenticationError("Invalid login credentials")
    sid = secrets.token_hex(28)
    local.db.sql(
        'insert into "tabSessions" ("user", sid, lastupdate, status) values (%s, %s, %s, %s)',
        (user, sid, datetime.now(), "Active"),
    )
    local.db.insert("Activity Log", subject=f"{user} logged in", operation="Login", status="Success", user=user)
    local.db.commit()
    return sid
