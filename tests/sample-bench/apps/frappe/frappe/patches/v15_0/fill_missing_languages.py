from frappe.context import local


def execute():
    if not local.db.exists("Language", "en"):
        local.db.insert("Language", name="en", language_code="en", language_name="English", enabled=1)
