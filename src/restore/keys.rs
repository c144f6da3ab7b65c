//! The site's settings after a restore: those of the backup, with the login of the present installation.

use serde_json::{Map, Value};

/// Keys that belong to the installation, not to the site's data: they stay as they are.
const OF_THE_INSTALLATION: [&str; 7] =
    ["db_name", "db_user", "db_password", "db_host", "db_port", "db_type", "host_name"];
/// The key that the database's saved passwords are encrypted with.
pub const ENCRYPTION_KEY: &str = "encryption_key";

/// Changes `present` to what the site needs with the restored database.
pub fn merge(present: &mut Map<String, Value>, backup: &Map<String, Value>, whole: bool) {
    if whole {
        for (key, value) in backup {
            if !OF_THE_INSTALLATION.contains(&key.as_str()) && key != "maintenance_mode" {
                present.insert(key.clone(), value.clone());
            }
        }
    } else if let Some(key) = backup.get(ENCRYPTION_KEY) {
        present.insert(ENCRYPTION_KEY.into(), key.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_login_stays_and_the_key_comes() {
        let before =
            object(serde_json::json!({"db_name": "here", "db_password": "p", "encryption_key": "new"}));
        let backup = object(serde_json::json!(
            {"db_name": "there", "db_password": "q", "encryption_key": "old", "limits": 3, "maintenance_mode": 1}
        ));
        let mut whole = before.clone();
        merge(&mut whole, &backup, true);
        let expected =
            serde_json::json!({"db_name": "here", "db_password": "p", "encryption_key": "old", "limits": 3});
        assert_eq!(Value::Object(whole), expected);
        let mut database = before;
        merge(&mut database, &backup, false);
        assert_eq!(database.get("encryption_key"), Some(&"old".into()));
        assert_eq!(database.get("limits"), None);
    }
}
