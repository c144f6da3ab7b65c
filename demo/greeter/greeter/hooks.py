"""The demo's own app: what every custom app has, as little as there can be of it."""

app_name = "greeter"
app_title = "Greeter"
app_publisher = "cauldron-frappe"
app_description = "Greets"
app_email = "demo@example.com"
app_license = "MIT"

scheduler_events = {"cron": {"* * * * *": ["greeter.tasks.greet_the_minute"]}}
