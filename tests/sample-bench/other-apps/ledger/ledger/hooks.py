"""A second app, small enough to run on real Frappe 15 too: what install-app and apps.txt do is observed with it."""

app_name = "ledger"
app_title = "Ledger"
app_publisher = "Sample"
app_description = "A second app for tests"
app_email = "ledger@example.com"
app_license = "MIT"

after_install = "ledger.tasks.leave_mark"
scheduler_events = {"daily": ["ledger.tasks.close_the_day"]}
