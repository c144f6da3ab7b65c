//! Clears Frappe's keys in the cache Redis that can hide an app, and sets the key of the assets.
//!
//! `all_apps` is the apps.txt of the process that filled the cache first. Hooks and module maps are derived from it: a
//! pod whose list lacks an app hides its hooks and DocTypes from every other pod (observed on Frappe 15: an app's
//! doc_events did not run until these keys were deleted). `frappe/code_caches.py` therefore puts a digest of the code into the
//! keys that are made from code; pods of an earlier release, and a `bench` outside a pod, use them without.

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
/// The number of keys that Redis examines for one page of a scan.
const SCAN_COUNT: u32 = 1000;
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

    /// Deletes all keys that may hide an app, of every digest of code.
    pub async fn clear_app_caches(&self) {
        // Without the cache Redis Frappe has no cache, so nothing is hidden.
        if let Err(reason) = self.try_to_clear().await {
            tracing::warn!(
                event = "overlay.app_caches_not_cleared",
                reason,
                "cannot clear caches that may hide an app"
            );
        }
    }

    async fn try_to_clear(&self) -> Result<(), String> {
        let mut delete = Pipeline::new();
        for key in APP_KEYS {
            delete.del(format!("{}|{key}", self.database)).ignore();
        }
        self.link.query::<()>(&delete).await?;
        let mut cursor = 0_u64;
        loop {
            let mut scan = Pipeline::new();
            let pattern = format!("{}|*:*", escape_glob(&self.database));
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_COUNT);
            let ((next, keys),) = self.link.query::<((u64, Vec<Vec<u8>>),)>(&scan).await?;
            let of_code: Vec<_> = keys.iter().filter(|key| is_of_code(key, &self.database)).collect();
            if !of_code.is_empty() {
                let mut delete = Pipeline::new();
                delete.del(of_code).ignore();
                self.link.query::<()>(&delete).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
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

    /// Deletes all keys of the site: another database is in the place of the one they came from.
    ///
    /// # Errors
    /// The cause, in words.
    pub async fn forget_site(&self) -> Result<(), String> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = Pipeline::new();
            scan.cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(format!("{}|*", self.database))
                .arg("COUNT")
                .arg(1000);
            let ((next, keys),): ((u64, Vec<Vec<u8>>),) = self.link.query(&scan).await?;
            if !keys.is_empty() {
                let mut delete = Pipeline::new();
                delete.cmd("DEL").arg(keys).ignore();
                self.link.query::<()>(&delete).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    pub fn link(&self) -> &Link {
        &self.link
    }
}

/// True for a key of this site with a digest of code: `database|app_hooks:0123456789abcdef`.
fn is_of_code(key: &[u8], database: &str) -> bool {
    let Ok(key) = std::str::from_utf8(key) else { return false };
    let name = key.strip_prefix(database).and_then(|rest| rest.strip_prefix('|'));
    name.and_then(|name| name.split_once(':')).is_some_and(|(name, _)| APP_KEYS.contains(&name))
}

/// Escapes the special characters of Redis's patterns.
fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "*?[]\\^-".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
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
    fn keys_of_every_digest_and_of_this_site_only_are_cleared() {
        assert!(is_of_code(b"erp|app_hooks:0123456789abcdef", "erp"));
        assert!(!is_of_code(b"erp|app_hooks", "erp"), "deleted by its name");
        assert!(!is_of_code(b"erp2|app_hooks:0123456789abcdef", "erp"));
        assert!(!is_of_code(b"erp|doctype_meta::User", "erp"));
        assert!(!is_of_code(b"erp|\xff:", "erp"));
    }

    #[test]
    fn every_key_that_python_separates_is_cleared() {
        let python = include_str!("../frappe/code_caches.py");
        let keys = python.split_once("frozenset(").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
        let keys: Vec<&str> = keys.split('"').skip(1).step_by(2).collect();
        assert!(keys.contains(&"app_hooks"), "{keys:?}");
        assert!(keys.iter().all(|key| APP_KEYS.contains(key)), "{keys:?}");
    }

    #[test]
    fn patterns_match_only_the_name_itself() {
        assert_eq!(escape_glob("a*b[c]?_d-e"), r"a\*b\[c\]\?_d\-e");
    }

    #[test]
    fn names_are_encoded_as_pythons_pickle_does() {
        let names = BTreeMap::from([("a".to_string(), "é".to_string())]);
        // pickle.loads(bytes.fromhex(…)) == {'a': 'é'}
        assert_eq!(pickle(&names), b"\x80\x02}(X\x01\0\0\0aX\x02\0\0\0\xc3\xa9u.");
    }
}
