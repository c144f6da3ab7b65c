//! Detects values that may contain a login, and keeps them out of messages.
//!
//! A password gets into a message through a malformed value that is split in an unexpected place. So the whole value is
//! checked before any part of it is shown.

use base64::Engine;

/// Text before a password in connection strings and queries, in addition to `@` and `://`.
const ASSIGNMENTS: [&str; 5] = ["password=", "passwd=", "pwd=", "secret=", "token="];

/// True for a URL, a value with an `@`, and `password=…`, also in base64.
pub fn may_contain_login(value: &str) -> bool {
    value.contains("://") || from_base64(value).contains("://") || contains_login(value)
}

/// Like [`may_contain_login`], for a value that is a URL or a list of URLs: there, `://` alone is not a sign.
pub fn contains_login(value: &str) -> bool {
    let is_sign = |text: &str| {
        let lower = text.to_ascii_lowercase();
        text.contains('@') || ASSIGNMENTS.iter().any(|assignment| lower.contains(assignment))
    };
    is_sign(value) || is_sign(&from_base64(value))
}

/// A shorter text of letters and digits is often valid base64 by chance.
const MIN_BASE64_LENGTH: usize = 16;

/// Returns the decoded text, or an empty one if the value is not base64. frappe_docker's builds take an app list in
/// base64.
pub fn from_base64(value: &str) -> String {
    let bare: String = value.split_whitespace().collect();
    if bare.len() < MIN_BASE64_LENGTH {
        return String::new();
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(bare).unwrap_or_default();
    let decoded = String::from_utf8(decoded).unwrap_or_default();
    if decoded.contains(|c: char| c.is_control() && !c.is_whitespace()) { String::new() } else { decoded }
}

/// Removes the quoted value from a message. The value may contain backticks itself, so everything between the first and
/// the last backtick is removed.
pub fn without_quotes(cause: &str) -> String {
    match (cause.find('`'), cause.rfind('`')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}(not shown: it may contain a login){}", &cause[..first], &cause[last + 1..])
        }
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_a_connection_string_may_hold_a_login() {
        for text in [
            "redis://h",
            "u:p@h",
            "host=h Password=x",
            "https://h/x?private_token=x",
            "cmVkaXM6Ly86cEBo",
            "cmVkaXM6Ly91OnA=",
        ] {
            assert!(may_contain_login(text), "{text}");
        }
        for text in ["5432", "erp.example.com", "/run/secrets/token", "a=b c=d", "10.0.0.0/8, *"] {
            assert!(!may_contain_login(text), "{text}");
        }
        assert!(!contains_login("https://github.com/frappe/erpnext"));
    }

    #[test]
    fn quoted_values_are_removed() {
        assert_eq!(without_quotes("`a`b` is no port"), "(not shown: it may contain a login) is no port");
        assert_eq!(without_quotes("not JSON (line 1)"), "not JSON (line 1)");
    }
}
