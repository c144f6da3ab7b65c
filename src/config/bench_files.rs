//! Settings in the bench's own files: the last source before the defaults.
//!
//! The chart's main containers get no REDIS_* variables (docs/before.md#environment-of-the-containers); they read
//! common_site_config.json.

#[cfg(test)]
use std::cell::RefCell;
#[cfg(test)]
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::common_keys::GivenKeys;
use super::reader::Reader;
use super::source::{Given, Source};
use crate::bench::site_login::{self, LoginKeys};
use crate::bench::{ATTEMPT, json_file};

pub const COMMON: &str = "common_site_config.json";
pub const SITE: &str = "site_config.json";

#[cfg(test)]
thread_local! {
    /// The keys that were asked for, for the tests that put a value into each.
    pub static ASKED_KEYS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Both files, read when this process started. A missing file counts as empty.
#[derive(Default)]
pub struct BenchFiles {
    common: Map<String, Value>,
    site: Map<String, Value>,
    /// Keys of the common file that come from CAULDRON_COMMON_SITE_CONFIG.
    given: GivenKeys,
}

impl BenchFiles {
    /// Reads both files. Invalid JSON is a problem, since every Frappe command would fail on it.
    pub fn read(reader: &mut Reader<'_>, sites: &Path, site: Option<&str>) -> Self {
        let common = json_file::read_common_object(&sites.join(COMMON));
        let common = or_problem(reader, &sites.join(COMMON), common);
        let site = site.map(|site| {
            let path = sites.join(site).join(SITE);
            // Incomplete because the creation that wrote it was interrupted; the bootstrap writes it again.
            if is_being_created(sites, site) && matches!(json_file::read_object(&path), Ok(Err(_))) {
                return Map::new();
            }
            or_problem(reader, &path, json_file::read_object(&path))
        });
        Self { common, site: site.unwrap_or_default(), given: GivenKeys::default() }
    }

    /// Returns the files as they are after the given keys are written: a leader reads its own settings from them before.
    pub fn with(self, given: Option<&GivenKeys>) -> Self {
        match given {
            Some(given) => Self { common: given.apply(&self.common), given: given.clone(), ..self },
            None => self,
        }
    }

    /// Returns the source of a key that is in this file.
    pub fn source(&self, file: &'static str, key: &str) -> Source {
        match file == COMMON && self.given.has(key) {
            true => Source::Bench("CAULDRON_COMMON_SITE_CONFIG"),
            false => Source::Bench(file),
        }
    }

    /// Returns `default_site` of the common file. [`Self::read`] reports problems of the file.
    pub fn default_site(sites: &Path) -> Option<Given> {
        let common = json_file::read_common_object(&sites.join(COMMON)).ok()?.ok()?;
        given(&common, "default_site", COMMON)
    }

    pub fn common(&self, key: &str) -> Option<Given> {
        given(&self.common, key, COMMON)
    }

    /// Returns a value of any type.
    pub fn common_value(&self, key: &str) -> Option<&Value> {
        #[cfg(test)]
        ASKED_KEYS.with_borrow_mut(|keys| keys.insert(key.into()));
        self.common.get(key)
    }

    /// Returns a value of any type in the site's file.
    pub fn site_value(&self, key: &str) -> Option<&Value> {
        self.site.get(key)
    }

    /// Returns the value that Frappe uses in the site: its own file hides the other, even with an empty value.
    pub fn merged_value(&self, key: &str) -> Option<&Value> {
        self.site.get(key).or_else(|| self.common.get(key))
    }

    /// Returns the names in the site's `domains`, whose entries are names or objects with a `domain`.
    pub fn domains(&self) -> Vec<String> {
        let entries = self.site.get("domains").and_then(Value::as_array).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.as_str().or_else(|| entry.get("domain")?.as_str()));
        names.map(String::from).collect()
    }

    pub fn site(&self, key: &str) -> Option<Given> {
        given(&self.site, key, SITE)
    }

    /// Returns the name of the site's database in the site's file.
    pub fn database_name(&self) -> Option<Given> {
        self.site(site_login::DATABASE)
    }

    /// Returns the login in the site's file, for a Frappe that reads `db_user`.
    pub fn login(&self) -> LoginKeys {
        LoginKeys::read(&self.site, || true)
    }
}

fn is_being_created(sites: &Path, site: &str) -> bool {
    let attempt = std::fs::read_to_string(sites.join(".cauldron").join(site).join(ATTEMPT));
    attempt.is_ok_and(|attempt| !attempt.trim().is_empty())
}

fn given(object: &Map<String, Value>, key: &str, file: &'static str) -> Option<Given> {
    #[cfg(test)]
    ASKED_KEYS.with_borrow_mut(|keys| keys.insert(key.into()));
    let value = match object.get(key)? {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(Given { value, source: Source::Bench(file) })
}

fn or_problem(
    reader: &mut Reader<'_>,
    path: &Path,
    read: std::io::Result<Result<Map<String, Value>, json_file::Invalid>>,
) -> Map<String, Value> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let (cause, hint) = match read {
        Ok(Ok(object)) => return object,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Map::new(),
        Err(error) => (format!("cannot be read: {error}"), "make it readable for this user"),
        Ok(Err(why)) => (why.to_string(), "fix it by hand; it was left as it is"),
    };
    reader.problem(path.display().to_string(), None, cause, hint);
    Map::new()
}
