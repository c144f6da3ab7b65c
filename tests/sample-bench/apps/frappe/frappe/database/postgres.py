"""A connection as Frappe opens it: only user, dbname, host, password, port; REPEATABLE READ."""

import secrets
from datetime import datetime

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extras import RealDictCursor


class PostgresDatabase:
    def __init__(self, host, user, password, port, cur_db_name, socket=None):
        settings = {"user": user, "dbname": cur_db_name, "host": host or socket}
        if password:
            settings["password"] = password
        if port and not socket:
            settings["port"] = port
        self.name = cur_db_name
        self.connection = psycopg2.connect(**settings)
        self.connection.set_isolation_level(ISOLATION_LEVEL_REPEATABLE_READ)

    def sql(self, query, values=None, as_dict=False):
        with self.connection.cursor(cursor_factory=RealDictCursor if as_dict else None) as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def commit(self):
        self.connection.commit()

    def rollback(self):
        self.connection.rollback()

    def close(self):
        self.connection.close()

    def autocommit(self):
        """CREATE and DROP DATABASE want no transaction around them."""
        self.commit()
        self.connection.autocommit = True

    def tables(self):
        rows = self.sql(
            "select table_name from information_schema.tables"
            " where table_catalog = %s and table_type = 'BASE TABLE' and table_schema = 'public'",
            (self.name,),
        )
        return {name for (name,) in rows}

    def get_value(self, doctype, filters, field):
        where = " and ".join(f'"{key}" = %s' for key in filters)
        rows = self.sql(f'select "{field}" from "tab{doctype}" where {where} limit 1', tuple(filters.values()))
        return rows[0][0] if rows else None

    def exists(self, doctype, name):
        return self.get_value(doctype, {"name": name}, "name") is not None

    def pluck(self, doctype, field="name", **filters):
        where = " where " + " and ".join(f'"{key}" = %s' for key in filters) if filters else ""
        return [value for (value,) in self.sql(f'select "{field}" from "tab{doctype}"{where}', tuple(filters.values()))]

    def insert(self, doctype, **values):
        now = datetime.now()
        row = {"name": secrets.token_hex(5), "creation": now, "modified": now}
        row |= {"owner": "Administrator", "modified_by": "Administrator", **values}
        columns = ", ".join(f'"{column}"' for column in row)
        self.sql(
            f'insert into "tab{doctype}" ({columns}) values ({", ".join(["%s"] * len(row))})',
            tuple(row.values()),
        )
        return row["name"]

    def get_single(self, doctype, field):
        return self.get_value("Singles", {"doctype": doctype, "field": field}, "value")

    def set_single(self, doctype, field, value):
        self.sql('delete from "tabSingles" where doctype = %s and field = %s', (doctype, field))
        self.sql('insert into "tabSingles" (doctype, field, value) values (%s, %s, %s)', (doctype, field, str(value)))
