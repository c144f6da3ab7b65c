"""The cache Redis. Every error of it is swallowed: with it down, ping is still 200 (docs/frappe-contract.md#ping)."""

import pickle
from functools import lru_cache

import redis

from frappe.context import local
from frappe.utils.redis_wrapper import RedisWrapper


class Cache:
    def __init__(self, url):
        self.redis = RedisWrapper.from_url(url)

    def get_shared(self, key, generate):
        """A key without prefix or expiry; whatever `generate` gives is kept, None too."""
        return self._get(self.redis.make_key(key, shared=True), generate)

    def get_value(self, key, generate):
        """The same under the site's prefix."""
        return self._get(self.redis.make_key(key), generate)

    def _get(self, key, generate):
        try:
            stored = self.redis.get(key)
        except redis.exceptions.ConnectionError:
            stored = None
        if stored is not None:
            return pickle.loads(stored)
        value = generate()
        try:
            self.redis.set(key, pickle.dumps(value))
        except redis.exceptions.ConnectionError:
            pass
        return value

    def clear_site(self):
        self.delete(f"{local.conf.db_name}|*")

    def delete_value(self, key):
        self.delete(self.redis.make_key(key))

    def delete(self, pattern):
        try:
            if keys := self.redis.keys(pattern):
                self.redis.delete(*keys)
        except redis.exceptions.ConnectionError:
            pass


@lru_cache
def _cache_at(url):
    return Cache(url)


def cache():
    return _cache_at(local.conf.redis_cache)


def delete_value(key):
    """`frappe.cache.delete_value`."""
    cache().delete_value(key)
