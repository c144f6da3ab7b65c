//! Checks that the site has an encryption key, so that no two processes create one.

use serde_json::{Map, Value};

use super::finding::Finding;
use super::id::Id;

/// True if a file of Frappe has a key.
pub fn is_in(object: &Map<String, Value>) -> bool {
    object.get("encryption_key").and_then(Value::as_str).is_some_and(|key| !key.is_empty())
}

/// Evaluates the key of site_config.json, and that of common_site_config.json, which counts without it.
pub fn evaluate(subject: &str, has_own: bool, has_common: bool) -> Finding {
    match (has_own, has_common) {
        (true, _) => Finding::ok(Id::EncryptionKey, subject, "set"),
        (false, true) => Finding::info(
            Id::EncryptionKey,
            subject,
            "the one in common_site_config.json; the bootstrap writes it into this file, too",
        ),
        (false, false) => Finding::warning(
            Id::EncryptionKey,
            subject,
            "none: processes that need a key at the same time create one each, and what all but one encrypted is lost",
            "run `cauldron-frappe bootstrap`, or restore the site's own key",
        ),
    }
}
