"""A whitelisted method, a job and a scheduled job."""

import os

import frappe


def greet_the_minute():
    pass


def greet_from_a_worker(name):
    with open(os.path.join(frappe.local.site_path, "greeted"), "a") as file:
        file.write(f"{name}\n")


@frappe.whitelist(allow_guest=True)
def greet():
    return "Hello from an app that came from Git"
