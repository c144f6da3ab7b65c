//! Clears Frappe's keys in the cache Redis that can hide an app, and sets the key of the assets.
//!
//! `all_apps` is the apps.txt of the process that filled the cache first. Hooks and module maps are derived from it: a
//! pod whose list lacks an app hides its hooks and DocTypes from every other pod (observed on Frappe 15: an app's
//! doc_events did not run until these keys were deleted).

use std::collections::BTreeMap;

use redis::Pipeline;

use crate::config::Config;
use crate::redis_client::{Link, Server};

/// Keys of one site that depend on the list of apps, as `frappe.cache_manager` names them.
const APP_KEYS: [&str; 9] = [
    "all_apps",
    "app_modules",
    "installed_app_modules",
    "module_app",
    "module_installed_app",
    "app_hooks",
    "installed_apps",
    "doctype_modules",
    "scheduler_events",
];
/// A key that all sites and benches on one Redis share.
const ASSETS_JSON: &str = "assets_json";

/// The cache Redis of one site.
#[derive(Clone)]
pub struct Caches {
    link: Link,
    database: String,
}

impl Caches {
    /// None if no cache Redis is configured. `database` is the site's database, the prefix of its keys.
    pub fn of(config: &Config, database: &str) -> Option<Self> {
        let redis = &config.redis;
        let server = Server::new(redis.cache.as_ref()?, redis.tls_ca.as_ref(), "REDIS_CACHE").ok()?;
        Some(Self { link: Link::new(server), database: database.to_string() })
    }

    /// Deletes all keys that may hide an app.
    pub async fn clear_app_caches(&self) {
        let mut commands = Pipeline::new();
        for key in APP_KEYS {
            commands.del(format!("{}|{key}", self.database)).ignore();
        }
        // Without the cache Redis Frappe has no cache, so nothing is hidden.
        if let Err(reason) = self.link.query::<()>(&commands).await {
            tracing::warn!(
                event = "overlay.app_caches_not_cleared",
                reason,
                "cannot clear caches that may hide an app"
            );
        }
    }

    /// Sets the names of the assets, so that the key does not depend on the process that fills it first.
    pub async fn set_assets(&self, names: &BTreeMap<String, String>) {
        if names.is_empty() {
            return;
        }
        let mut commands = Pipeline::new();
        commands.set(ASSETS_JSON, pickle(names)).ignore();
        if let Err(reason) = self.link.query::<()>(&commands).await {
            let names = names.len();
            tracing::warn!(
                event = "overlay.asset_names_not_set",
                reason,
                names,
                "cannot set the names of the assets in the cache"
            );
        }
    }

    pub fn link(&self) -> &Link {
        &self.link
    }
}

/// Encodes a dict of strings with Python's pickle protocol 2, which every Python 3 reads (Lib/pickletools.py: PROTO,
/// EMPTY_DICT, MARK, BINUNICODE, SETITEMS, STOP).
fn pickle(names: &BTreeMap<String, String>) -> Vec<u8> {
    let mut bytes = b"\x80\x02}(".to_vec();
    for text in names.iter().flat_map(|(name, path)| [name, path]) {
        bytes.push(b'X');
        bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(b"u.");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_pythons_pickle_does() {
        let names = BTreeMap::from([("a".to_string(), "é".to_string())]);
        // pickle.loads(bytes.fromhex(…)) == {'a': 'é'}
        assert_eq!(pickle(&names), b"\x80\x02}(X\x01\0\0\0aX\x02\0\0\0\xc3\xa9u.");
    }
}
