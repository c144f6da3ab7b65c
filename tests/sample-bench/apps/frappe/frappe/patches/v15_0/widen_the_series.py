from frappe.context import local


def execute():
    local.db.sql('alter table "tabSeries" alter column "name" type varchar(140)')
