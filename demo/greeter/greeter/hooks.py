"""The demo's app: a minimal custom app."""

app_name = "greeter"
app_title = "Greeter"
app_publisher = "cauldron-frappe"
app_description = "Greets"
app_email = "demo@example.com"
app_license = "MIT"

scheduler_events = {"cron": {"* * * * *": ["greeter.tasks.greet_the_minute"]}}
