"""new-site, migrate, backup, restore, use, set-admin-password, clear-cache."""

import gzip
import os
import shutil
import sys
from getpass import getpass
from tempfile import NamedTemporaryFile

import click

from frappe.backup import backup_site
from frappe.cache import cache
from frappe.commands.sites import each_site, opened
from frappe.config import common_config_path, update_config
from frappe.context import local
from frappe.generation import is_frappe_16
from frappe.passwords import set_password


@click.command("new-site")
@click.argument("site")
@click.option("--db-name")
@click.option("--db-user")
@click.option("--db-password")
@click.option("--db-type", default="mariadb", type=click.Choice(["mariadb", "postgres"]))
@click.option("--db-host")
@click.option("--db-port", type=int)
@click.option("--db-root-username", "--mariadb-root-username")
@click.option("--db-root-password", "--mariadb-root-password")
@click.option("--db-socket", "--mariadb-db-socket", envvar="MYSQL_UNIX_PORT")
@click.option("--no-mariadb-socket", is_flag=True)
@click.option("--mariadb-user-host-login-scope")
@click.option("--admin-password")
@click.option("--verbose", is_flag=True)
@click.option("--force", is_flag=True)
@click.option("--source-sql", "--source_sql")
@click.option("--install-app", multiple=True)
@click.option("--set-default", is_flag=True)
@click.option("--setup-db/--no-setup-db", default=True)
def new_site(site, no_mariadb_socket, set_default, **options):
    """Create a new site."""
    from frappe.installer import new_site as make

    if options["db_user"] and not is_frappe_16():
        raise click.NoSuchOption("--db-user")
    if no_mariadb_socket:
        options["mariadb_user_host_login_scope"] = "%"
    make(site, options)
    if set_default:
        make_default(site)


@click.command("migrate")
@click.option("--skip-failing", is_flag=True)
@click.option("--skip-search-index", is_flag=True)
@click.pass_context
def migrate(context, skip_failing, skip_search_index):
    """Run patches and sync schema."""
    from frappe.migrate import migrate as run

    for site in each_site(context):
        print(f"Migrating {site}")
        run(site, skip_failing)


@click.command("backup")
@click.option("--with-files", is_flag=True)
@click.option("--backup-path-db")
@click.option("--verbose", is_flag=True)
@click.option("--compress", is_flag=True)
@click.pass_context
def backup(context, with_files, backup_path_db, verbose, compress):
    """Dump the database through gzip, and the site's configuration beside it."""
    failed = False
    for site in each_site(context):
        try:
            with opened(site):
                backup_site(backup_path_db)
            print(f"Backup for Site {site} has been successfully completed")
        except Exception as error:
            print(f"Backup failed for Site {site}. Database or site_config.json may be corrupted")
            if verbose:
                print(error)
            failed = True
    sys.exit(int(failed))


@click.command("reinstall")
@click.option("--yes", is_flag=True)
@click.option("--admin-password")
@click.option("--db-root-username")
@click.option("--db-root-password")
@click.pass_context
def reinstall(context, yes, **options):
    """Drop the site's database and make it anew: one session of anybody makes it fail."""
    from frappe.installer import new_site as make

    if not yes:
        click.confirm("This will wipe your database. Are you sure you want to reinstall?", abort=True)
    given = dict.fromkeys(("mariadb_user_host_login_scope", "db_type", "db_name", "source_sql"))
    for site in each_site(context):
        make(site, {**given, **options, "force": True, "setup_db": True, "install_app": ()})


@click.command("restore")
@click.argument("sql_file_path")
@click.option("--db-root-username")
@click.option("--db-root-password")
@click.pass_context
def restore(context, sql_file_path, db_root_username, db_root_password):
    """Drop the site's database, make it anew and load a backup: the new one has another OID."""
    from frappe.database.setup import bootstrap_database, setup_database

    for site in each_site(context):
        with opened(site, database=False), NamedTemporaryFile("wb", suffix=".sql") as plain:
            with gzip.open(sql_file_path) as packed:
                shutil.copyfileobj(packed, plain)
            plain.flush()
            setup_database(db_root_username, db_root_password)
            bootstrap_database(plain.name)
        print(f"Site {site} has been restored")


@click.command("use")
@click.argument("site")
def use(site):
    """Set the default site. Trap: a site that is not there exits 0."""
    make_default(site)


def make_default(site):
    if not os.path.exists(site):
        print(f"Site {site} does not exist")
        return
    update_config("default_site", site, common_config_path(os.getcwd()), whole_bench=True)
    print(f"Current Site set to {site}")


@click.command("set-admin-password")
@click.argument("admin_password", required=False)
@click.option("--logout-all-sessions", is_flag=True)
@click.pass_context
def set_admin_password(context, admin_password, logout_all_sessions):
    """Set Administrator's password."""
    for site in each_site(context):
        password = admin_password or getpass(f"Administrator's password for {site}: ")
        with opened(site):
            if not local.db.exists("User", "Administrator"):
                print("User Administrator does not exist")
                sys.exit(1)
            set_password("Administrator", password)
            local.db.commit()


@click.command("clear-cache")
@click.pass_context
def clear_cache(context):
    """Forget the site's keys and the bench's."""
    for site in each_site(context):
        with opened(site):
            cache().clear_site()
            cache().delete("assets_json")


commands = [new_site, migrate, backup, reinstall, restore, use, set_admin_password, clear_cache]
