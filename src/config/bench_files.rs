//! What the bench's own files already say: the last source before the defaults.
//!
//! The chart's main containers get no REDIS_* at all (SEED.md): they read common_site_config.json.

use std::path::Path;

use serde_json::{Map, Value};

use super::source::{Given, Reader, Source};
use crate::bootstrap::volume::Volume;
use crate::frappe::json_file;

pub const COMMON: &str = "common_site_config.json";
pub const SITE: &str = "site_config.json";

/// Both files as they were when this process started. An absent file is empty.
#[derive(Default)]
pub struct BenchFiles {
    common: Map<String, Value>,
    site: Map<String, Value>,
}

impl BenchFiles {
    /// Reads what is there; invalid JSON is a problem, since every command of Frappe would fail on it.
    pub fn read(reader: &mut Reader<'_>, sites: &Path, site: Option<&str>) -> Self {
        let common = read_object(reader, &sites.join(COMMON));
        let site = site.map(|site| {
            let path = sites.join(site).join(SITE);
            // Cut off with the creation that wrote it: the bootstrap makes it anew.
            if is_being_created(sites, site) && matches!(json_file::read_object(&path), Ok(Err(_))) {
                return Map::new();
            }
            read_object(reader, &path)
        });
        Self { common, site: site.unwrap_or_default() }
    }

    pub fn common(&self, key: &str) -> Option<Given> {
        given(&self.common, key, COMMON)
    }

    pub fn site(&self, key: &str) -> Option<Given> {
        given(&self.site, key, SITE)
    }
}

fn is_being_created(sites: &Path, site: &str) -> bool {
    let volume = Volume::to_read(sites.join(".cauldron").join(site));
    volume.unfinished_attempt().is_ok_and(|attempt| attempt.is_some())
}

fn given(object: &Map<String, Value>, key: &str, file: &'static str) -> Option<Given> {
    let value = match object.get(key)? {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(Given { value, source: Source::Bench(file) })
}

fn read_object(reader: &mut Reader<'_>, path: &Path) -> Map<String, Value> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let (cause, mend) = match json_file::read_object(path) {
        Ok(Ok(object)) => return object,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Map::new(),
        Err(error) => (format!("cannot be read: {error}"), "make it readable for this user"),
        Ok(Err(why)) => (why.to_string(), "mend it by hand; it was left as it is"),
    };
    reader.problem(path.display().to_string(), None, cause, mend);
    Map::new()
}
