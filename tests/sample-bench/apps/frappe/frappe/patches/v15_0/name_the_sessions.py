from frappe.context import local


def execute():
    local.db.sql('alter table "tabSessions" add column if not exists "device" varchar(255)')
