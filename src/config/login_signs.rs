//! Whether a value may hold a login, and messages that do not repeat it then.
//!
//! A password reaches a message through a value that is malformed: it is cut in two where nobody expects
//! it. So the whole value decides, before any part of it is shown.

use base64::Engine;

/// Beside `@` and `://`: what precedes a password in connection strings and queries.
const ASSIGNMENTS: [&str; 5] = ["password=", "passwd=", "pwd=", "secret=", "token="];

/// True for a URL, for everything with an `@`, and for `password=…`.
pub fn may_hold_a_login(value: &str) -> bool {
    value.contains("://") || holds_a_login(value)
}

/// The same for a value that is a URL, or a list of them: a scheme alone is no sign then.
pub fn holds_a_login(value: &str) -> bool {
    let is_sign = |text: &str| {
        let lower = text.to_ascii_lowercase();
        text.contains('@') || ASSIGNMENTS.iter().any(|assignment| lower.contains(assignment))
    };
    is_sign(value) || is_sign(&from_base64(value))
}

/// A shorter text of letters and digits is base64 by chance too often.
const LEAST_BASE64: usize = 16;

/// What base64 hides; empty where it is none. frappe_docker's builds take an app list so.
pub fn from_base64(value: &str) -> String {
    let bare: String = value.split_whitespace().collect();
    if bare.len() < LEAST_BASE64 {
        return String::new();
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(bare).unwrap_or_default();
    let decoded = String::from_utf8(decoded).unwrap_or_default();
    if decoded.contains(|c: char| c.is_control() && !c.is_whitespace()) { String::new() } else { decoded }
}

/// A parser quotes the value between backticks; the value may have some of its own, so everything
/// between the first and the last goes.
pub fn without_quotes(cause: &str) -> String {
    match (cause.find('`'), cause.rfind('`')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}(not shown: it may hold a login){}", &cause[..first], &cause[last + 1..])
        }
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_a_connection_string_may_hold_a_login() {
        for text in
            ["redis://h", "u:p@h", "host=h Password=x", "https://h/x?private_token=x", "cmVkaXM6Ly86cEBo"]
        {
            assert!(may_hold_a_login(text), "{text}");
        }
        for text in ["5432", "erp.example.com", "/run/secrets/token", "a=b c=d", "10.0.0.0/8, *"] {
            assert!(!may_hold_a_login(text), "{text}");
        }
        assert!(!holds_a_login("https://github.com/frappe/erpnext"));
    }

    #[test]
    fn nothing_that_was_quoted_stays() {
        assert_eq!(without_quotes("`a`b` is no port"), "(not shown: it may hold a login) is no port");
        assert_eq!(without_quotes("not JSON (line 1)"), "not JSON (line 1)");
    }
}
