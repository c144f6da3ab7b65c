"""Only here because Frappe's entry point is `python -m frappe.utils.bench_helper`."""
