//! Values of Frappe's files as Python reads them.

use serde_json::Value;

use super::super::host;
use super::super::redis_url::RedisUrl;

/// True if Python counts the value as true.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Frappe's `cint`: the whole part of a number, and 0 for anything else.
pub fn cint(value: &Value) -> i64 {
    let whole = |number: f64| if number.is_finite() { number as i64 } else { 0 };
    match value {
        Value::Bool(on) => i64::from(*on),
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(whole)).unwrap_or(0),
        Value::String(text) => {
            let text = text.trim();
            text.parse::<i64>().ok().or_else(|| text.parse().ok().map(whole)).unwrap_or(0)
        }
        _ => 0,
    }
}

/// The text of a value that is a text or a number. None for any other, and for one that counts as false.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if is_true(value) => Some(number.to_string()),
        _ => None,
    }
}

/// True if two values of a setting have the same meaning, however they are spelled.
pub fn is_same(setting: &str, ours: &str, theirs: &str) -> bool {
    let (ours, theirs) = (ours.trim(), theirs.trim());
    let is_same_url = || match (RedisUrl::parse(ours), RedisUrl::parse(theirs)) {
        (Ok(ours), Ok(theirs)) => ours.is_same_database(&theirs),
        _ => false,
    };
    let is_same_host = || host::parse(theirs).is_ok_and(|theirs| theirs.eq_ignore_ascii_case(ours));
    let without_slash = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    match setting {
        "REDIS_CACHE" | "REDIS_QUEUE" => is_same_url(),
        "DB_HOST" => ours == theirs || is_same_host(),
        "DB_PORT" | "SOCKETIO_PORT" => theirs.parse::<u16>().ok() == ours.parse().ok(),
        "CAULDRON_SITE_URL" => without_slash(ours) == without_slash(theirs),
        _ => ours == theirs,
    }
}

/// True if a value in a file has the meaning of our setting for every program. A blank around it is part of the
/// address that psql gets.
pub fn is_same_in_file(setting: &str, ours: &str, value: &Value) -> bool {
    text_of(value).is_some_and(|theirs| theirs.trim() == theirs && is_same(setting, ours, &theirs))
}

#[cfg(test)]
mod tests {
    use super::super::is_on;
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_truth_are_pythons() {
        for (value, number) in [
            (json!(60), 60),
            (json!("60"), 60),
            (json!(" 60.7 "), 60),
            (json!(-1.5), -1),
            (json!(true), 1),
            (json!("nan"), 0),
            (json!("yes"), 0),
            (json!(null), 0),
            (json!([1]), 0),
        ] {
            assert_eq!(cint(&value), number, "{value}");
        }
        for (value, on) in [
            (json!("0"), true),
            (json!("false"), true),
            (json!(""), false),
            (json!(0), false),
            (json!(0.0), false),
            (json!([]), false),
            (json!({"a": 0}), true),
        ] {
            assert_eq!(is_on("maintenance_mode", Some(&value)), on, "{value}");
        }
        assert!(!is_on("mute_emails", Some(&json!("yes"))) && is_on("mute_emails", Some(&json!("1"))));
        assert!(!is_on("maintenance_mode", None));
    }
}
