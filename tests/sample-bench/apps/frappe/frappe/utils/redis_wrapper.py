"""The client of the cache Redis. Its class and `make_key` are those of Frappe 15 and 16 (docs/frappe-contract.md#cached-app-lists)."""

import redis

from frappe.context import local


class RedisWrapper(redis.Redis):
    def make_key(self, key, user=None, shared=False):
        """The key under the site's prefix; a shared one has none."""
        if shared:
            return key
        if user:
            key = f"user:{user}:{key}"
        return f"{local.conf.db_name}|{key}".encode()
