"""new-site's first half: the server's administrator makes role and database, psql loads the core tables.

Trap: **DROP DATABASE IF EXISTS, unconditionally**, without --force and without a word (docs/frappe-sites.md#unconditional-drop).
"""

import os
import sys
from getpass import getpass

from frappe.barrier import reach
from frappe.cache import cache
from frappe.context import connect, local


def root_connection(login, password):
    """Goes to a database named after the login; no password and no terminal aborts."""
    from frappe.database import get_db

    login = login or local.conf.root_login or input("Enter postgres super user: ")
    password = password or local.conf.root_password or getpass("Postgres super user password: ")
    return get_db(local.conf.db_host, login, password, local.conf.db_port, login, local.conf.db_socket)


def setup_database(login, password):
    name, user, secret = local.conf.db_name, local.conf.db_user, local.conf.db_password
    root = root_connection(login, password)
    root.autocommit()
    reach("administrator_connected")
    root.sql(f'DROP DATABASE IF EXISTS "{name}"')
    reach("database_dropped")
    verb = "ALTER" if root.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)) else "CREATE"
    root.sql(f"{verb} USER \"{user}\" WITH PASSWORD '{secret}'")
    reach("role")
    root.sql(f'CREATE DATABASE "{name}"')
    reach("database")
    root.sql(f'GRANT ALL PRIVILEGES ON DATABASE "{name}" TO "{user}"')
    reach("grant")
    if root.connection.server_version > 150000:
        root.sql(f'ALTER DATABASE "{name}" OWNER TO "{user}"')
    reach("owner")
    root.close()


def bootstrap_database(source_sql=None):
    connect()
    load_sql(source_sql or os.path.join(os.path.dirname(__file__), "framework_postgres.sql"))
    local.db.close()
    connect()
    if "tabDefaultValue" not in local.db.tables():
        print("Table 'tabDefaultValue' missing in the restored site.")
        sys.exit(1)
    reach("core_tables")
    create_extra_tables()
    reach("extra_tables")


def load_sql(path):
    """`cat | sed | psql URL` under bash, as the site's role."""
    from frappe.database import get_command
    from frappe.shell import run_in_shell

    program, arguments, name = get_command(
        socket=local.conf.db_socket,
        host=local.conf.db_host,
        port=local.conf.db_port,
        user=local.conf.db_user,
        password=local.conf.db_password,
        db_name=local.conf.db_name,
    )
    if not program:
        print(f"{name} not found in PATH! This is required to restore the database.")
        sys.exit(1)
    run_in_shell(["cat", path], ["sed", "/^--/d"], [program, *arguments])
    cache().clear_site()


def create_extra_tables():
    db = local.db
    db.sql(
        'create table if not exists "__global_search" (doctype varchar(100), name varchar(140), title varchar(140),'
        " content text, route varchar(140), published int not null default 0, unique (doctype, name))"
    )
    db.sql(
        'create table if not exists "__UserSettings" ("user" varchar(180) not null, doctype varchar(180) not null,'
        ' data text, unique ("user", doctype))'
    )
    db.commit()
