"""common_site_config.json < sites/S/site_config.json < environment (docs/frappe-contract.md#configuration-order)."""

import json
import os
import secrets
import time
from base64 import urlsafe_b64encode

from frappe.exceptions import SiteDoesNotExist
from frappe.generation import is_frappe_16

ENVIRONMENT = {
    "redis_queue": ("FRAPPE_REDIS_QUEUE", "redis://127.0.0.1:11311"),
    "redis_cache": ("FRAPPE_REDIS_CACHE", "redis://127.0.0.1:13311"),
    "db_type": ("FRAPPE_DB_TYPE", "mariadb"),
    "db_socket": ("FRAPPE_DB_SOCKET", None),
    "db_host": ("FRAPPE_DB_HOST", "127.0.0.1"),
    "db_port": ("FRAPPE_DB_PORT", None),
}

WORDS = {"0": 0, "1": 1, "true": True, "false": False}


class Config(dict):
    """A dict whose missing keys read as None."""

    def __getattr__(self, key):
        return self.get(key)


def common_config_path(sites_path):
    return os.path.join(sites_path, "common_site_config.json")


def read_common(sites_path):
    """An invalid file is announced and then taken for empty: the next thing fails, not this."""
    path = common_config_path(sites_path)
    if not os.path.exists(path):
        return {}
    try:
        with open(path) as file:
            return json.load(file)
    except ValueError as error:
        print(f"common_site_config.json is invalid\n{error}")
        return {}


def read_site(sites_path, site, new_site=False):
    path = os.path.join(sites_path, site, "site_config.json")
    if os.path.exists(path):
        try:
            with open(path) as file:
                return json.load(file)
        except ValueError as error:
            print(f"{site}/site_config.json is invalid\n{error}")
    elif site and not new_site:
        raise SiteDoesNotExist(f"{site} does not exist")
    return {}


def read_config(sites_path, site="", new_site=False):
    config = Config(read_common(sites_path))
    config.update(read_site(sites_path, site, new_site))
    for key, (variable, default) in ENVIRONMENT.items():
        config[key] = os.environ.get(variable) or config.get(key) or default
    config["db_user"] = database_user(config)
    if not config["db_port"]:
        config["db_port"] = 5432 if config["db_type"] == "postgres" else 3306
    return config


_of_requests = {}


def read_config_of_request(sites_path, site):
    """Frappe 16 keeps the configuration in the memory of a web process for 60 s (docs/frappe-contract.md#maintenance-mode).

    The sample does so only for the seconds in SAMPLE_CONFIG_CACHE_S: every test of a migration would wait for them.
    """
    lifetime_s = float(os.environ.get("SAMPLE_CONFIG_CACHE_S", "0")) if is_frappe_16() else 0
    read_at, config = _of_requests.get(site, (0, None))
    if config is None or time.monotonic() - read_at >= lifetime_s:
        config = read_config(sites_path, site)
        _of_requests[site] = (time.monotonic(), config)
    return Config(config)


def database_user(config):
    """db_name before Frappe 16, whatever db_user says; from then on db_user, and FRAPPE_DB_USER before it."""
    if not is_frappe_16():
        return config.db_name
    return os.environ.get("FRAPPE_DB_USER") or config.db_user or config.db_name


def update_config(key, value, path, whole_bench=False):
    """Read, change, truncate, write under Frappe's lock file: a reader can see half (docs/frappe-contract.md#half-written-files)."""
    from frappe.filelocks import filelock

    with filelock("site_config", whole_bench=whole_bench):
        with open(path) as file:
            config = json.load(file)
        if value == "None":
            config.pop(key, None)
        else:
            config[key] = WORDS.get(value, value) if isinstance(value, str) else value
        with open(path, "w") as file:
            file.write(json.dumps(config, indent=1, sort_keys=True))


def encryption_key(local):
    """Made on first use *into site_config.json*: several first users each go on with their own key."""
    if not local.conf.encryption_key:
        local.conf["encryption_key"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        path = os.path.join(local.site_path, "site_config.json")
        update_config("encryption_key", local.conf["encryption_key"], path)
    return local.conf["encryption_key"]
