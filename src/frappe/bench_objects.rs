//! The bench's two configuration files as Frappe sees them together.

use std::path::Path;

use serde_json::{Map, Value};

use crate::bench::json_file;

/// The bench's own files; one that is absent or cannot be read is empty.
#[derive(Default)]
pub struct BenchObjects {
    pub common: Map<String, Value>,
    pub site: Map<String, Value>,
}

impl BenchObjects {
    /// Both as they are now; a file that is absent or cannot be read is empty.
    pub fn read(sites: &Path, site: &str) -> Self {
        let object = |path| json_file::read_object(path).ok().and_then(Result::ok).unwrap_or_default();
        Self {
            common: object(&sites.join("common_site_config.json")),
            site: object(&sites.join(site).join("site_config.json")),
        }
    }

    /// A key as Frappe sees it: the site's own file wins.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.site.get(key).or_else(|| self.common.get(key))
    }

    /// Frappe's `cint`: 1, "1" and true are on.
    pub fn is_on(&self, key: &str) -> bool {
        json_file::is_on(self.get(key))
    }
}
