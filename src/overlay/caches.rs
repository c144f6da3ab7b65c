//! What Frappe keeps in the cache Redis that hides an app, and the one key of the assets.
//!
//! `all_apps` is apps.txt of whichever process asked first. From it hooks and module maps are made: a
//! pod whose list lacks an app hides its hooks and DocTypes from every other pod (seen on Frappe 15: an
//! app's doc_events did not run until these keys were deleted).

use std::collections::BTreeMap;

use redis::Pipeline;

use crate::config::Config;
use crate::redis_client::{Link, Server};

/// Of one site, as `frappe.cache_manager` names them, and what is made of them.
const HIDING: [&str; 9] = [
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
/// Of all sites and benches on that Redis.
const ASSETS_JSON: &str = "assets_json";

/// The cache Redis of one site.
#[derive(Clone)]
pub struct Caches {
    link: Link,
    database: String,
}

impl Caches {
    /// None where no cache Redis is named; `database` is the site's, which its keys begin with.
    pub fn of(config: &Config, database: &str) -> Option<Self> {
        let redis = &config.redis;
        let server = Server::new(redis.cache.as_ref()?, redis.tls_ca.as_ref(), "REDIS_CACHE").ok()?;
        Some(Self { link: Link::new(server), database: database.to_string() })
    }

    /// Forgets everything that may hide an app.
    pub async fn forget_apps(&self) {
        let mut commands = Pipeline::new();
        for key in HIDING {
            commands.del(format!("{}|{key}", self.database)).ignore();
        }
        self.run(&commands, "caches that may hide an app were not cleared").await;
    }

    /// Sets the names of the assets, so that no process fills them in by chance.
    pub async fn set_assets(&self, names: &BTreeMap<String, String>) {
        if names.is_empty() {
            return;
        }
        let mut commands = Pipeline::new();
        commands.set(ASSETS_JSON, pickle(names)).ignore();
        self.run(&commands, "the names of the assets were not set").await;
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// With the cache away Frappe has none either: nothing is hidden, and it is filled anew.
    async fn run(&self, commands: &Pipeline, problem: &'static str) {
        if let Err(reason) = self.link.ask::<()>(commands).await {
            tracing::warn!(reason, "{problem}");
        }
    }
}

/// A dict of strings as Python's pickle protocol 2 has it, which every Python 3 reads
/// (Lib/pickletools.py: PROTO, EMPTY_DICT, MARK, BINUNICODE, SETITEMS, STOP).
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
    fn the_names_are_pickled_as_python_does() {
        let names = BTreeMap::from([("a".to_string(), "é".to_string())]);
        // pickle.loads(bytes.fromhex(…)) == {'a': 'é'}
        assert_eq!(pickle(&names), b"\x80\x02}(X\x01\0\0\0aX\x02\0\0\0\xc3\xa9u.");
    }
}
