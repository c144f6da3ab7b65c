//! Tests of the list of keys and of the record in the file.

use super::super::frappe_keys::KEYS;
use super::*;
use serde_json::json;

fn given(keys: Value) -> GivenKeys {
    parse(&keys.to_string()).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn a_key_is_written_changed_and_removed_and_others_stay() {
    let file = object(json!({"theirs": 1, "taken": "old"}));
    let first = given(json!({"ours": {"b": 1, "a": [1.5]}, "taken": "new"})).apply(&file);
    assert_eq!((&first["theirs"], &first["taken"]), (&json!(1), &json!("new")));
    assert_eq!(first[RECORD].as_object().unwrap().len(), 2);
    let changed = given(json!({"ours": 2, "taken": "new"}));
    assert_eq!(changed.changes(&first), ["ours"]);
    let second = changed.apply(&first);
    assert_eq!(second["ours"], 2);
    assert!(changed.changes(&second).is_empty() && changed.apply(&second) == second);
    // null is the same as an omitted key: Helm drops keys that are null.
    let third = given(json!({"ours": null})).apply(&second);
    assert_eq!(Value::Object(third), json!({"theirs": 1}));
}

#[test]
fn a_key_that_somebody_else_wrote_since_is_not_removed() {
    let mut file = given(json!({"a": 1, "b": 1})).apply(&Map::new());
    file.insert("a".into(), json!(7));
    let next = given(json!({})).apply(&file);
    assert_eq!(Value::Object(next), json!({"a": 7}));
}

/// Frappe rewrites the whole file, with sorted keys and its own spelling of numbers.
#[test]
fn pythons_spelling_of_a_value_is_the_same_value() {
    let text = r#"{"limits": {"z": 1e2, "a": 123456789012345678901234567890, "u": "ü"}}"#;
    let written = parse(text).unwrap().apply(&Map::new());
    let mut by_python = written.clone();
    let respelled =
        serde_json::from_str(r#"{"a": 123456789012345678901234567890, "u": "\u00fc", "z": 100.0}"#).unwrap();
    by_python.insert("limits".into(), respelled);
    assert!(given(json!({})).apply(&by_python).is_empty());
    // The control: another value is another value.
    by_python.insert("limits".into(), json!({"a": 1}));
    assert_eq!(given(json!({})).apply(&by_python).len(), 1);
}

#[test]
fn keys_with_a_setting_are_refused_with_its_name() {
    for key in KEYS.iter().filter(|key| key.setting().is_some()) {
        let cause = parse(&json!({ key.name: "x" }).to_string()).unwrap_err();
        assert!(cause.contains(key.name) && cause.contains(key.setting().unwrap()), "{cause}");
    }
    for (key, word) in [
        ("bench_id", "CAULDRON_BENCH_ID"),
        ("maintenance_mode", "maintenance"),
        ("db_password", "SITE_DB_PASSWORD"),
        ("db_user", "site_config.json"),
        ("domains", "site_config.json"),
        ("db_socket", "psql"),
        (RECORD, "record"),
    ] {
        assert!(parse(&json!({ key: 1 }).to_string()).unwrap_err().contains(word), "{key}");
        // To remove what was never written is no mistake.
        assert!(parse(&json!({ key: null }).to_string()).is_ok(), "{key}");
    }
    let both = parse(r#"{"db_host": "x", "mute_emails": 1, "redis_cache": "y"}"#).unwrap_err();
    assert!(both.contains("DB_HOST") && both.contains("REDIS_CACHE") && !both.contains("mute"), "{both}");
}

#[test]
fn what_is_no_object_of_named_keys_is_refused_without_its_text() {
    for bad in [
        "canary",
        "[\"canary\"]",
        "\"canary\"",
        "{\"canary\": }",
        "{\"https://u:canary@h\": 1}",
        "{\"\": \"canary\"}",
        "{\"a\": NaN, \"b\": \"canary\"}",
    ] {
        let cause = parse(bad).unwrap_err();
        assert!(!cause.contains("canary"), "{cause}");
    }
    assert!(!format!("{:?}", given(json!({"mail_password": "canary"}))).contains("canary"));
}
