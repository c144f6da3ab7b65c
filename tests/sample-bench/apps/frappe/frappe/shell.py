"""Pipelines run by bash: what is in them is in bash's argv too (docs/frappe-contract.md#password-in-argv)."""

import shlex
import shutil
import subprocess

from frappe.exceptions import FrappeError


def run_in_shell(*stages, append_to=None):
    """Each stage is an argument list; their pipeline fails if any of them does."""
    command = "set -o pipefail; " + " | ".join(shlex.join(stage) for stage in stages)
    if append_to:
        command += f" >> {shlex.quote(append_to)}"
    done = subprocess.run(
        command,
        shell=True,
        executable=shutil.which("bash") or "/bin/bash",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise FrappeError(f"Command failed with exit code {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout
