"""install-app, for frappe itself and for others (docs/frappe-sites.md#killed-install-app)."""

import importlib

from frappe.apps import app_path, get_all_apps, get_attr, get_hooks, get_installed_apps, set_installed_apps
from frappe.barrier import reach
from frappe.cache import cache
from frappe.context import local
from frappe.doctypes import sync_app
from frappe.exceptions import DuplicateEntryError
from frappe.patch_log import log_all_as_done
from frappe.scheduled_jobs import sync_jobs


def install_app(app, force=False, admin_password=None):
    cache().clear_site()
    # Without --force: one that was killed in here fails for ever, or lies.
    for required in get_hooks("required_apps", app=app):
        install_app(app_name(required))
    if app not in get_all_apps():
        raise Exception(f"App {app} not in apps.txt")
    installed = get_installed_apps() if "tabUser" in local.db.tables() else []
    if app in installed and not force:
        print(f"App {app} already installed")
        return
    print(f"\nInstalling {app}...")
    reach(f"installing:{app}")
    for before_install in get_hooks("before_install", app=app):
        if get_attr(before_install)() is False:
            return
    if app != "frappe":
        add_module_defs(app, ignore_if_duplicate=force)
    sync_app(app, force)
    reach(f"doctypes:{app}")
    if app not in installed:
        # Read anew: what it requires may have been installed meanwhile.
        set_installed_apps([*(get_installed_apps() if app != "frappe" else []), app])
        cache().clear_site()
        initialise_singles()
    reach(f"installed_apps:{app}")
    log_all_as_done(app)
    reach(f"patch_log:{app}")
    for after_install in get_hooks("after_install", app=app):
        arguments = {"admin_password": admin_password} if app == "frappe" else {}
        get_attr(after_install)(**arguments)
    reach(f"after_install:{app}")
    sync_jobs()
    reach(f"scheduled_jobs:{app}")


def app_name(required):
    """The name of a required app: `owner/app`, or the app alone (docs/frappe-sites.md#owner-of-a-required-app)."""
    from frappe import installer

    owner, _, app = required.rpartition("/")
    return app if owner else installer.find_org(app)[1]


def add_module_defs(app, ignore_if_duplicate):
    """Trap: killed before installed_apps is written, a plain retry fails on these every time."""
    db = local.db
    with open(app_path(app, "modules.txt")) as file:
        modules = [line.strip() for line in file if line.strip()]
    for module in modules:
        if not db.exists("Module Def", module):
            db.insert("Module Def", name=module, module_name=module, app_name=app)
        elif not ignore_if_duplicate:
            raise DuplicateEntryError(f"Module Def {module}")
    db.commit()


def initialise_singles():
    db = local.db
    for single in db.pluck("DocType", issingle=1):
        if not db.get_value("Singles", {"doctype": single}, "field"):
            db.set_single(single, "owner", "Administrator")
    db.commit()


def remove_from_installed_apps(app):
    installed = get_installed_apps()
    if app in installed:
        set_installed_apps([each for each in installed if each != app])


def uninstall_app(app, dry_run=False, force=False):
    db = local.db
    if app not in get_installed_apps() and not force:
        print(f"App {app} not installed on Site {local.site}")
        return
    for other in get_installed_apps():
        if any(app in required for required in get_hooks("required_apps", app=other)):
            print(f"App {app} is a dependency of {other}. Uninstall {other} first.")
            return
    print(f"Uninstalling App {app} from Site {local.site}...")
    reach(f"uninstalling:{app}")
    for module in db.pluck("Module Def", app_name=app):
        for doctype in db.pluck("DocType", module=module):
            print(f"* removing DocType '{doctype}'...")
            if not dry_run:
                db.sql('delete from "tabDocType" where name = %s', (doctype,))
                db.sql(f'drop table if exists "tab{doctype}"')
        if not dry_run:
            db.sql('delete from "tabModule Def" where name = %s', (module,))
    if not dry_run:
        reach(f"uninstalled_doctypes:{app}")
        remove_from_installed_apps(app)
        record_versions()
        db.commit()
        cache().clear_site()
    print(f"Uninstalled App {app} from Site {local.site}")


def record_versions():
    """`Installed Application`: what list-apps prints once a migrate has run."""
    db = local.db
    db.sql('delete from "tabInstalled Application"')
    for app in get_installed_apps(on_bench_only=True):
        version = importlib.import_module(app).__version__
        db.insert(
            "Installed Application",
            parent="Installed Applications",
            parenttype="Installed Applications",
            parentfield="installed_applications",
            app_name=app,
            app_version=version,
            git_branch="UNVERSIONED",
        )
