//! The variables that give our children a value where a file of Frappe has another one.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Managed;
use crate::bench::json_file;
use crate::config::frappe_keys::{self, FrappeKey};

/// Environment variables that override the files in Frappe.
pub type Overrides = BTreeMap<&'static str, String>;

/// The environment overrides for a difference, and the keys that have no override
/// (v15 and later; v14 reads only FRAPPE_SITE: docs/frappe-contract.md#environment-overrides).
pub(super) fn overrides(different: &Managed, frappe_major: Option<u32>) -> (Overrides, Vec<&'static str>) {
    let mut variables = Overrides::new();
    let mut uncovered = Vec::new();
    for (key, value) in different {
        let Some(variable) = frappe_keys::override_of(key, frappe_major) else {
            uncovered.push(*key);
            continue;
        };
        variables.insert(variable, text_of(value));
    }
    (variables, uncovered)
}

/// Returns the overrides for the keys of `site_config.json` that differ from `managed`: without them a child would use
/// another server than we. A file that is absent or invalid has no keys.
pub fn overrides_of_site(folder: &Path, managed: &Managed, frappe_major: Option<u32>) -> Overrides {
    let site =
        json_file::read_object(&folder.join("site_config.json")).ok().and_then(std::result::Result::ok);
    let site = site.unwrap_or_default();
    let differs = |(key, ours): &&(&'static str, Value)| {
        let setting = frappe_keys::named(key).and_then(FrappeKey::setting);
        let is_same =
            |theirs| frappe_keys::is_same_in_file(setting.unwrap_or_default(), &text_of(ours), theirs);
        site.get(*key).is_some_and(|theirs| !is_same(theirs))
    };
    overrides(&managed.iter().filter(differs).cloned().collect(), frappe_major).0
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
