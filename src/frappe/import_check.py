# Whether the code can do what migrate is about to have it do: every installed app is imported, and every pending patch
# is there and compiles. Asked as JSON on standard input (gate/imports.rs); what is wrong goes to standard output, a line
# each. A patch itself is not imported: what stands at its top may want a site.
import ast
import importlib
import importlib.util
import json
import sys


def names_of(node):
    """What a statement makes: a function, an import, an assignment."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    return [getattr(node, "name", None), getattr(node, "id", None)]


asked = json.load(sys.stdin)
wrong = []
for app in asked["apps"]:
    try:
        importlib.import_module(app + ".hooks")
    except BaseException as error:
        wrong.append(f"app {app} cannot be imported: {type(error).__name__}: {error}")
for patch in [] if wrong else asked["patches"]:
    try:
        spec = importlib.util.find_spec(patch)
        if spec is None or not spec.origin:
            raise ImportError("there is no such module")
        with open(spec.origin, "rb") as file:
            tree = ast.parse(file.read(), spec.origin)
        if not any("execute" in names_of(node) for node in ast.walk(tree)):
            raise ImportError("it has no execute()")
    except BaseException as error:
        wrong.append(f"patch {patch} cannot be run: {type(error).__name__}: {error}")
for line in wrong:
    print(line, flush=True)
sys.exit(1 if wrong else 0)
