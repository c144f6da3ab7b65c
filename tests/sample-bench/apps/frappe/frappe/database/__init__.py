"""Database programs and connections; `get_command` has the signature and the result of Frappe 15's."""

from shutil import which


def get_db(host=None, user=None, password=None, port=None, cur_db_name=None, socket=None):
    from frappe.database.postgres import PostgresDatabase

    return PostgresDatabase(host, user, password, port, cur_db_name, socket)


def get_command(
    host=None, port=None, user=None, password=None, db_name=None, extra=None, dump=False, socket=None
):
    """(program's path, arguments, program's name) for psql or pg_dump.

    Trap: the password goes into a URL unquoted: `@ / # %` break it, and it is in psql's argv. Callers import this
    function at the time of the call, so replacing `frappe.database.get_command` in the process mends both.
    """
    name = "pg_dump" if dump else "psql"
    login = f"{user}:{password}" if password else user
    if socket:
        url = f"postgresql://{login}@/{db_name}?host={socket}"
    else:
        url = f"postgresql://{login}@{host}:{port}/{db_name}"
    return which(name), [url, *(extra or [])], name
