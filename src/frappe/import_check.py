# Checks before a migration that every installed app can be imported, and that every pending patch exists and compiles.
# Apps and patches come as JSON on standard input (migrate/imports.rs); problems go to standard output, one per line. A
# patch is not imported: its top-level code may need a site.
import ast
import importlib
import importlib.util
import json
import sys


def names_of(node):
    """The names that a statement defines: a function, an import, an assignment."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    return [getattr(node, "name", None), getattr(node, "id", None)]


request = json.load(sys.stdin)
problems = []
for app in request["apps"]:
    try:
        importlib.import_module(app + ".hooks")
    except BaseException as error:
        problems.append(f"app {app} cannot be imported: {type(error).__name__}: {error}")
for patch in [] if problems else request["patches"]:
    try:
        spec = importlib.util.find_spec(patch)
        if spec is None or not spec.origin:
            raise ImportError("the module does not exist")
        with open(spec.origin, "rb") as file:
            tree = ast.parse(file.read(), spec.origin)
        if not any("execute" in names_of(node) for node in ast.walk(tree)):
            raise ImportError("it has no execute()")
    except BaseException as error:
        problems.append(f"patch {patch} cannot be run: {type(error).__name__}: {error}")
for line in problems:
    print(line, flush=True)
sys.exit(1 if problems else 0)
