# Separates the cache keys that Frappe makes from code. Frappe keeps hooks and module maps in one Redis key for all pods of a
# site. During an update pods of two versions serve: the hooks of one name modules that the other lacks, and every login
# answers 500 (docs/frappe-contract.md#cached-app-lists). Here the key gets the digest of the code of this pod.
import importlib.machinery
import os
import sys

MODULE = "frappe.utils.redis_wrapper"
# Made from the files of apps and apps.txt alone. `src/overlay/caches.rs` deletes them for every digest.
KEYS = frozenset(
    ["all_apps", "app_hooks", "app_modules", "installed_app_modules", "module_app", "module_installed_app"]
)


def separate(wrapper, digest):
    make_key = wrapper.make_key

    def make_own_key(self, key, user=None, shared=False):
        if not shared and not user and key in KEYS:
            key = f"{key}:{digest}"
        return make_key(self, key, user, shared)

    wrapper.make_key = make_own_key


class Finder:
    """Changes the class as soon as its module has been imported."""

    def __init__(self, digest):
        self.digest = digest

    def find_spec(self, name, path=None, target=None):
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                if hasattr(getattr(module, "RedisWrapper", None), "make_key"):
                    separate(module.RedisWrapper, self.digest)

            spec.loader.exec_module = exec_module
        return spec


def install(folder):
    try:
        with open(os.path.join(folder, "code-digest")) as file:
            digest = file.read().strip()
    except OSError:
        return
    sys.meta_path.insert(0, Finder(digest))
