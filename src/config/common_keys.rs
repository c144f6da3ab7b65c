//! `CAULDRON_COMMON_SITE_CONFIG`: more keys of common_site_config.json, given as one JSON object
//! (docs/configuration.md#keys-of-your-own).
//!
//! ```text
//!   file                      list            file afterwards
//!   {"a": 1, "b": 2}          {"a": 5}        {"a": 5, "b": 2, RECORD: {"a": digest of 5}}
//!   … RECORD: {"a": of 5}     {}              {"b": 2}
//!   the same, but "a": 7      {}              {"a": 7, "b": 2}       somebody else wrote it since
//! ```
//!
//! The record of the written keys is a key of the same file, so that one atomic write changes both, and a copy of the file
//! has the record that belongs to it.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::frappe_keys::{Place, Treatment, named};
use super::reader::Reader;
use super::value::read_parsed;

const SETTING: &str = "CAULDRON_COMMON_SITE_CONFIG";

/// The key with the record: the written keys, each with the digest of its value.
pub const RECORD: &str = "cauldron_written_keys";

const HINT: &str = r#"write a JSON object such as {"limits":{"users":5}}; null or an omitted key removes what was written before"#;

/// The keys to write. Their values may be secrets: there is no `Debug` with values.
#[derive(Clone, Default)]
pub struct GivenKeys(Map<String, Value>);

impl std::fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl GivenKeys {
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns the file with these keys, without those that an earlier list wrote and this one lacks.
    pub fn apply(&self, file: &Map<String, Value>) -> Map<String, Value> {
        let mut next = file.clone();
        for (key, digest) in file.get(RECORD).and_then(Value::as_object).into_iter().flatten() {
            let is_as_written = file.get(key).is_some_and(|value| digest == &digest_of(value));
            if !self.has(key) && is_as_written {
                next.shift_remove(key);
            }
        }
        for (key, value) in &self.0 {
            next.insert(key.clone(), value.clone());
        }
        match self.record() {
            Some(record) => next.insert(RECORD.into(), record),
            None => next.shift_remove(RECORD),
        };
        next
    }

    /// Returns the names of the keys, without the record, that [`Self::apply`] would change.
    pub fn changes(&self, file: &Map<String, Value>) -> Vec<String> {
        let next = self.apply(file);
        let is_changed = |key: &&String| key.as_str() != RECORD && file.get(*key) != next.get(*key);
        let added = next.keys().filter(|key| !file.contains_key(*key));
        file.keys().chain(added).filter(is_changed).cloned().collect()
    }

    fn record(&self) -> Option<Value> {
        let digests: Map<String, Value> =
            self.0.iter().map(|(key, value)| (key.clone(), digest_of(value).into())).collect();
        (!digests.is_empty()).then_some(Value::Object(digests))
    }
}

/// Reads the list. None if the variable is not set: then no key is written or removed.
pub fn read(reader: &mut Reader<'_>) -> Option<GivenKeys> {
    read_parsed(reader, SETTING, parse, HINT)
}

/// No message contains a name or value of the text, except names of our own table: all of it may be a secret.
fn parse(text: &str) -> Result<GivenKeys, String> {
    let keys: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!("not a JSON object of keys (line {}, column {})", error.line(), error.column())
    })?;
    if let Some(at) = keys.keys().position(|key| !is_name(key)) {
        return Err(format!("the name of key {} is not of letters, digits, _, - and .", at + 1));
    }
    let keys: Map<String, Value> = keys.into_iter().filter(|(_, value)| !value.is_null()).collect();
    let owned: Vec<String> = keys
        .keys()
        .filter_map(|key| Some(format!("{key} cannot be set here: {}", instead_of(key)?)))
        .collect();
    if owned.is_empty() { Ok(GivenKeys(keys)) } else { Err(owned.join("; ")) }
}

fn is_name(key: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !key.is_empty() && key.len() <= 100 && key.chars().all(is_plain)
}

/// Returns what to use instead of a key that this program writes itself, or that has no effect in this file.
fn instead_of(key: &str) -> Option<String> {
    let text = match key {
        RECORD | "cauldron_former_bench_ids" => "it is a record of this program".to_string(),
        "bench_id" => "use CAULDRON_BENCH_ID".to_string(),
        "maintenance_mode" => "use the command `maintenance`, which waits for running migrations".to_string(),
        "db_password" => "use SITE_DB_PASSWORD".to_string(),
        _ => match named(key)? {
            row if row.setting().is_some() => format!("use {}", row.setting().unwrap_or_default()),
            row if row.place == Place::Site => "it counts in the site's site_config.json only".to_string(),
            row if row.name == "db_socket" => match row.treatment {
                Treatment::Refused(cause) => cause.to_string(),
                _ => return None,
            },
            _ => return None,
        },
    };
    Some(text)
}

/// A digest that does not depend on how a program spells the value: Python sorts keys, and writes 1e2 as 100.0.
fn digest_of(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    let digest = Sha256::digest(text.as_bytes());
    digest[..12].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in sorted {
                text.push_str(&format!("{key:?}:"));
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Number(number) => {
            let spelled = number.to_string();
            match number.as_f64().filter(|_| spelled.contains(['.', 'e', 'E'])) {
                Some(float) => text.push_str(&format!("{float:?}")),
                None => text.push_str(&spelled),
            }
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;
