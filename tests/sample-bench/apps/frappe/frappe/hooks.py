app_name = "frappe"
app_title = "Sample Frappe"

required_apps = []
after_install = ["frappe.after_install.after_install"]
before_migrate = []
after_migrate = []

scheduler_events = {
    "cron": {
        "0/15 * * * *": ["frappe.sample.every_quarter"],
        "* * * * *": ["frappe.sample.every_minute"],
    },
    "all": ["frappe.sample.flush_mails"],
    "hourly": ["frappe.sample.trim_logs"],
    "hourly_long": ["frappe.sample.sync_calendars"],
    "daily": ["frappe.sample.delete_old_sessions", "frappe.sample.send_digest"],
    "daily_long": ["frappe.sample.take_backups"],
    "weekly_long": ["frappe.sample.rebuild_search"],
}
