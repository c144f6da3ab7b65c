//! The bench's two configuration files, merged as Frappe does it.

use std::path::Path;

use serde_json::{Map, Value};

use crate::bench::json_file;
use crate::config::frappe_keys;

/// The contents of both files.
#[derive(Default)]
pub struct BenchObjects {
    pub common: Map<String, Value>,
    pub site: Map<String, Value>,
}

impl BenchObjects {
    /// Reads both files; one that is absent or unreadable is empty.
    pub fn read(sites: &Path, site: &str) -> Self {
        let object = |path| json_file::read_object(path).ok().and_then(Result::ok).unwrap_or_default();
        Self {
            common: object(&sites.join("common_site_config.json")),
            site: object(&sites.join(site).join("site_config.json")),
        }
    }

    /// The value of a key; the site's own file wins.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.site.get(key).or_else(|| self.common.get(key))
    }

    /// True if Frappe takes the key for on.
    pub fn is_on(&self, key: &str) -> bool {
        frappe_keys::is_on(key, self.get(key))
    }
}
