//! Every secret that the configuration and the bench's files hold, as plain values: for taking them out of text.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::reader::Reader;
use crate::sys::bounded_file;

/// A key of a JSON file whose value is a secret, by a part of its name.
const SECRET_KEYS: [&str; 6] = ["password", "passwd", "secret", "key", "token", "credential"];

/// Returns the values of all secret settings that were read, the logins inside URLs and lists, and the secrets of
/// `common_site_config.json` and of every site's `site_config.json` below `sites`.
pub fn secret_values(reader: &Reader<'_>, sites: &Path) -> Vec<String> {
    let mut values = Vec::new();
    for (variable, given) in &reader.values {
        if variable.is_secret() {
            values.push(given.value.trim().to_string());
        }
        collect_logins(&given.value, &mut values);
        collect_json(&serde_json::from_str(&given.value).unwrap_or_default(), false, &mut values);
    }
    for value in reader.environment_names().iter().filter_map(|name| reader.environment(name)) {
        collect_logins(&value, &mut values);
    }
    let folders = fs::read_dir(sites).into_iter().flatten().flatten();
    let files = folders.map(|entry| entry.path().join("site_config.json"));
    for file in files.chain([sites.join("common_site_config.json")]) {
        let text = bounded_file::read(&file).unwrap_or_default();
        collect_json(&serde_json::from_slice(&text).unwrap_or_default(), false, &mut values);
    }
    values.retain(|value| !value.is_empty());
    values
}

/// Strings below a key that names a secret, and the logins of every URL.
fn collect_json(value: &Value, is_secret: bool, values: &mut Vec<String>) {
    match value {
        Value::String(text) if is_secret => values.push(text.clone()),
        Value::String(text) => collect_logins(text, values),
        Value::Number(number) if is_secret => values.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect_json(item, is_secret, values)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.to_ascii_lowercase();
                let is_secret = is_secret || SECRET_KEYS.iter().any(|part| key.contains(part));
                collect_json(value, is_secret, values);
            }
        }
        _ => {}
    }
}

/// `user:password@` and `token@` of every URL in a text. Both parts count: a token may stand in the user's place.
fn collect_logins(text: &str, values: &mut Vec<String>) {
    for (at, _) in text.match_indices("://") {
        let authority = &text[at + 3..];
        collect_parameters(authority, values);
        let end =
            authority.find(|c: char| c.is_whitespace() || "/?#\"'`,".contains(c)).unwrap_or(authority.len());
        let Some((login, _)) = authority[..end].rsplit_once('@') else { continue };
        let (user, password) = login.split_once(':').unwrap_or(("", login));
        let is_token = password.is_empty();
        for part in [password, if is_token { user } else { "" }] {
            values.push(part.to_string());
            values.push(percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned());
        }
    }
}

/// `password=` in the query of a URL, as in the URL of Redis's unix socket. redis-py decodes it twice.
fn collect_parameters(url: &str, values: &mut Vec<String>) {
    let end = url.find(|c: char| c.is_whitespace() || "\"'`,".contains(c)).unwrap_or(url.len());
    let Some((_, query)) = url[..end].split_once('?') else { return };
    let parameters = query.split('&').filter_map(|part| part.split_once('='));
    for (_, given) in parameters.filter(|(name, _)| matches!(*name, "password" | "pass")) {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let once = decode(&given.replace('+', " "));
        values.extend([given.to_string(), decode(&once), once]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Needs, load};

    #[test]
    fn secrets_of_settings_urls_lists_and_files_are_found() {
        let sites = tempfile::tempdir().unwrap();
        fs::create_dir(sites.path().join("erp.test")).unwrap();
        let site = r#"{"db_name": "erp", "db_password": "canary-1", "encryption_key": "canary-2", "limits": {"api_token": ["canary-3"]}}"#;
        fs::write(sites.path().join("erp.test/site_config.json"), site).unwrap();
        let common = r#"{"redis_cache": "redis://:canary-4@cache:6379"}"#;
        fs::write(sites.path().join("common_site_config.json"), common).unwrap();
        let environment = BTreeMap::from([
            ("DB_PASSWORD", "canary-5"),
            ("REDIS_QUEUE", "redis://app:canary%2d6@queue:6379/0"),
            ("REDIS_CACHE", "unix:///run/redis.sock?db=1&password=canary%252d8"),
            ("CAULDRON_APPS", r#"[{"url": "https://canary-7@git.test/a.git"}]"#),
        ]);
        let flags = BTreeMap::new();
        let mut reader = Reader::new(&flags, &environment);
        let _ = load(&mut reader, Needs::NOTHING, false);
        let values = secret_values(&reader, sites.path());
        for n in 1..=8 {
            assert!(values.contains(&format!("canary-{n}")), "canary-{n} is not in {values:?}");
        }
        assert!(!values.iter().any(|value| value == "erp" || value == "app"), "{values:?}");
    }
}
