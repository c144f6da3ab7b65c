"""The commands, by what they work on."""

from frappe.commands import app, config, process, scheduler, site

commands = [*site.commands, *app.commands, *config.commands, *scheduler.commands, *process.commands]
