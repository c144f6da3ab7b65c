"""What comes after the patch log: user types, Administrator and its password, `.test_log` (docs/frappe-sites.md#steps-of-new-site)."""

from getpass import getpass

from frappe.barrier import reach
from frappe.context import local
from frappe.generation import is_frappe_16
from frappe.passwords import set_password
from frappe.paths import site_path

USERS = (("Administrator", "admin@example.com"), ("Guest", "guest@example.com"))
ROLES = ("Administrator", "Guest", "All", "Desk User", "System Manager", "Report Manager")


def after_install(admin_password=None):
    """Administrator, Guest and the password are one transaction, committed with the last of them."""
    db = local.db
    for user_type in ("System User", "Website User"):
        if not db.exists("User Type", user_type):
            db.insert("User Type", name=user_type, is_standard=1)
    for role in ROLES:
        if not db.exists("Role", role):
            db.insert("Role", name=role, role_name=role)
    for user, email in USERS:
        if not db.exists("User", user):
            db.insert("User", name=user, email=email, first_name=user, enabled=1, user_type="System User")
            db.insert("Has Role", parent=user, parenttype="User", parentfield="roles", role=user)
    if not db.exists("Language", "en"):
        db.insert("Language", name="en", language_code="en", language_name="English", enabled=1)
    reach("administrator")
    set_password("Administrator", local.conf.admin_password or admin_password or ask_password())
    db.set_single("System Settings", "setup_complete", 0)
    if not is_frappe_16():
        with open(site_path(".test_log"), "w"):
            pass
    db.commit()
    reach("administrator_password")


def ask_password():
    """With no terminal this ends the command: never give it one."""
    while True:
        password = getpass("Set Administrator password: ")
        if password == getpass("Re-enter Administrator password: "):
            return password
        print("\nPasswords do not match")
