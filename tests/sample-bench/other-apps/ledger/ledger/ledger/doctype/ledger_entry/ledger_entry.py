from frappe.model.document import Document


class LedgerEntry(Document):
    pass
