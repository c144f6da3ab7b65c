# Inspects an app's source with the bench's own Python, without running any of it: whether its hooks.py parses, and
# which of its requirements the bench lacks or contradicts.
#
# stdin:  {"source": folder, "package": name, "apps": {app: version}, "others": {"name==version": app}}
# stdout: {"broken": text} or {"lacking": [...], "conflicts": [...], "have": ["name==version", ...]}
import ast
import json
import os
import sys
from importlib import metadata

try:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
except ImportError:
    from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
    from pip._vendor.packaging.utils import canonicalize_name


class Broken(Exception):
    pass


def read_toml(path):
    try:
        import tomllib
    except ImportError:
        try:
            import tomli as tomllib
        except ImportError:
            from pip._vendor import tomli as tomllib
    with open(path, "rb") as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Broken(f"pyproject.toml: {error}") from None


def lines_of(path, seen=()):
    """Yields the requirements in requirements.txt, with continued lines joined and `-r` files included."""
    name = os.path.basename(path)
    if path in seen:
        return
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("\\\n", "")
    except (OSError, UnicodeDecodeError) as error:
        raise Broken(f"{name}: {error}") from None
    for line in text.splitlines():
        line = line.split(" #")[0].strip()
        if not line or line.startswith("#"):
            continue
        option, _, value = line.partition(" ")
        if option in ("-r", "--requirement"):
            yield from lines_of(os.path.join(os.path.dirname(path), value.strip()), (*seen, path))
        elif line.startswith("-"):
            raise Broken(f"{name}: the option {option} is not supported; only requirements are")
        else:
            yield line.split(" --hash")[0]


def declared(source):
    project = {}
    path = os.path.join(source, "pyproject.toml")
    if os.path.exists(path):
        project = read_toml(path)
    apps = project.get("tool", {}).get("bench", {}).get("frappe-dependencies", {})
    listed = project.get("project", {}).get("dependencies")
    path = os.path.join(source, "requirements.txt")
    if listed is None and os.path.exists(path):
        listed = list(lines_of(path))
    return list(listed or []), apps


def parse(text):
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        if "://" in text:
            return None  # pip's own form, without a name
        raise Broken(f"the requirement `{text}` cannot be parsed: {error}".splitlines()[0]) from None


def allows(specifier, version):
    try:
        return specifier.contains(version, prereleases=True)
    except Exception:
        return True  # a version that cannot be compared


def installed():
    have = {}
    for dist in metadata.distributions():
        have.setdefault(canonicalize_name(dist.metadata["Name"] or ""), dist.version)
    return have


def required_by(name):
    found = set()
    for dist in metadata.distributions():
        for text in dist.requires or ():
            try:
                if canonicalize_name(Requirement(text).name) == name:
                    found.add(dist.metadata["Name"])
            except InvalidRequirement:
                pass
    return sorted(found)


def inspect(request):
    source, apps = request["source"], request["apps"]
    for name in ("__init__.py", "hooks.py"):
        path = os.path.join(source, request["package"], name)
        with open(path, "rb") as file:
            try:
                ast.parse(file.read(), name)
            except (SyntaxError, ValueError) as error:
                raise Broken(f"{request['package']}/{name}: {error}") from None

    listed, frappe_dependencies = declared(source)
    # Listing installed packages is slow, and most apps require nothing.
    have = installed() if listed else {}
    others = {}
    for text, app in request["others"].items():
        name, _, version = text.partition("==")
        others[canonicalize_name(name)] = (version, app)

    lacking, conflicts = [], []
    for text in listed:
        requirement = parse(text)
        if requirement is None:
            lacking.append(text)
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        if name.replace("-", "_") in apps:
            frappe_dependencies.setdefault(name.replace("-", "_"), str(requirement.specifier))
            continue
        if name in have:
            if not allows(requirement.specifier, have[name]):
                by = ", ".join(required_by(name))
                has = f"the bench has {requirement.name} {have[name]}" + (f" (required by {by})" if by else "")
                conflicts.append(f"it requires {text}, and {has}")
            elif requirement.extras:
                lacking.append(text)
            continue
        if name in others and not allows(requirement.specifier, others[name][0]):
            version, app = others[name]
            conflicts.append(f"it requires {text}, and app {app} installs {requirement.name} {version}")
        else:
            lacking.append(text)
    for app, text in frappe_dependencies.items():
        specifier = Requirement(f"{app} {text}").specifier if text else None
        if specifier and app in apps and not allows(specifier, apps[app]):
            conflicts.append(f"it requires {app} {text}, and the bench has {app} {apps[app]}")
    return {"lacking": lacking, "conflicts": conflicts, "have": [f"{n}=={v}" for n, v in have.items()]}


try:
    answer = inspect(json.load(sys.stdin))
except Broken as error:
    answer = {"broken": str(error)}
print(json.dumps(answer))
