//! The database login in a site's site_config.json: the keys that hold it, and which of them Frappe reads.

use secrecy::SecretString;
use serde_json::{Map, Value};

/// The key of the database's name.
pub const DATABASE: &str = "db_name";
const USER: &str = "db_user";
const PASSWORD: &str = "db_password";

/// The first major version of Frappe that reads `db_user`. Earlier ones log in as `db_name`.
pub const FIRST_MAJOR_WITH_USER: u32 = 16;

/// The login as Frappe reads it. A missing or empty key is None.
#[derive(Clone, Debug, Default)]
pub struct LoginKeys {
    pub database: Option<String>,
    /// The role that Frappe logs in as.
    pub user: Option<String>,
    /// A `db_user` other than `db_name`, in a file for a Frappe that does not read it.
    pub ignored_user: Option<String>,
    pub password: Option<SecretString>,
}

impl LoginKeys {
    /// Reads the keys for a Frappe that reads `db_user`, or does not. `reads_user` is called only if the answer
    /// matters: finding the version reads Frappe's source.
    pub fn read(object: &Map<String, Value>, reads_user: impl FnOnce() -> bool) -> Self {
        let text = |key: &str| {
            object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_string)
        };
        let (database, user, ignored_user) = match (text(DATABASE), text(USER)) {
            (name, None) => (name.clone(), name, None),
            (Some(name), Some(user)) if name == user => (Some(name.clone()), Some(name), None),
            (name, Some(user)) if reads_user() => (name.or_else(|| Some(user.clone())), Some(user), None),
            (name, user) => (name.clone(), name, user),
        };
        Self { database, user, ignored_user, password: text(PASSWORD).map(SecretString::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Database, user and ignored user for a Frappe that reads `db_user`, or does not.
    fn login(file: &str, reads_user: bool) -> (Option<String>, Option<String>, Option<String>) {
        let file = serde_json::from_str(file).unwrap();
        let LoginKeys { database, user, ignored_user, .. } = LoginKeys::read(&file, || reads_user);
        (database, user, ignored_user)
    }

    #[test]
    fn the_user_is_the_one_that_this_frappe_logs_in_as() {
        let read = |name: &str, user: &str, ignored: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
            (some(name), some(user), some(ignored))
        };
        for (file, v15, v16) in [
            (r#"{"db_name": "n"}"#, read("n", "n", ""), read("n", "n", "")),
            (r#"{"db_name": "n", "db_user": "n"}"#, read("n", "n", ""), read("n", "n", "")),
            (r#"{"db_name": "n", "db_user": ""}"#, read("n", "n", ""), read("n", "n", "")),
            (r#"{"db_name": "n", "db_user": "u"}"#, read("n", "n", "u"), read("n", "u", "")),
            (r#"{"db_user": "u"}"#, read("", "", "u"), read("u", "u", "")),
            ("{}", read("", "", ""), read("", "", "")),
        ] {
            assert_eq!((login(file, false), login(file, true)), (v15, v16), "{file}");
        }
    }
}
