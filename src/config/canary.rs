//! Tests that no part of a login in any setting, however malformed, is in a message or in `--print-config`.

use std::collections::BTreeMap;

use base64::Engine;
use proptest::prelude::*;

use super::reader::Reader;
use super::variable::{VARIABLES, Variable};
use super::{Needs, frappe_environment, load, render};

/// Pieces that split a URL, a list or JSON in unexpected places.
const PIECES: [&str; 42] = [
    "redis://",
    "rediss://",
    "unix://",
    "https://",
    "ssh://",
    "postgres://",
    "tcp://",
    "//",
    "/",
    ":",
    ":",
    "@",
    "?",
    "#",
    "&",
    "=",
    "%2F",
    "\\",
    "\"",
    "'",
    "`",
    " ",
    "\t",
    "\r",
    "\n",
    ",",
    ";",
    "[",
    "]",
    "{",
    "}",
    "*",
    "-",
    "..",
    "12",
    "6379",
    "host",
    "user",
    "git",
    "main",
    "a:",
    "http://",
];

/// A text with a login: an `@` somewhere after the canary.
fn with_login() -> impl Strategy<Value = String> {
    let pieces = |most| proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..=most);
    (pieces(6), pieces(4), pieces(6)).prop_map(|(before, between, behind)| {
        format!("{}:canary{}@{}", before.concat(), between.concat(), behind.concat())
    })
}

/// The text itself, or wrapped in JSON, base64, a list or quotes.
fn wrapped(text: &str, shape: u8) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    match shape {
        1 => format!(r#"[{{"url":{quoted},"branch":"main"}}]"#),
        2 => format!(r#"[{{"name":{quoted}}},{{"url":"https://h/x","branch":{quoted}}}]"#),
        3 => format!(r#"[{{{quoted}:1}}]"#),
        4 => format!(r#"{{{quoted}:{{"token_file":"/t"}},"h":{{"token_file":{quoted}}}}}"#),
        5 => base64::engine::general_purpose::STANDARD.encode(format!(r#"[{{"url":{quoted}}}]"#)),
        6 => format!("a:{text}:main, b:{text}"),
        7 => format!("\"{text}\""),
        8 => format!("{text}\r"),
        _ => text.to_string(),
    }
}

/// Returns all messages and the output of `--print-config`.
fn output(environment: &BTreeMap<&str, &str>) -> String {
    let flags = BTreeMap::new();
    let mut reader = Reader::new(&flags, environment);
    let needs = Needs::SERVERS;
    let _ = load(&mut reader, needs, false);
    let problems: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
    problems.join("\n") + &render(&reader)
}

fn names() -> Vec<&'static str> {
    let ours = VARIABLES.iter().flat_map(|v| std::iter::once(v.name).chain(v.aliases.iter().copied()));
    ours.chain(frappe_environment::names()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_part_of_a_login_is_shown(text in with_login(), shape in 0u8..10, index in any::<prop::sample::Index>()) {
        let names = names();
        let name = names[index.index(names.len())];
        let value = wrapped(&text, shape);
        let encoded = base64::engine::general_purpose::STANDARD.encode("canary");
        let file = Variable::file_name(name);
        for (name, value) in [(name, value.as_str()), (file.as_str(), text.as_str())] {
            let mut environment = BTreeMap::from([
                ("SITE_NAME", "s.local"), ("DB_HOST", "pg"), ("REDIS_CACHE", "redis://r/0"), ("REDIS_QUEUE", "redis://r/1"),
            ]);
            environment.insert(name, value);
            let output = output(&environment);
            prop_assert!(!output.contains("canary") && !output.contains(&encoded[..6]), "{name}={value:?}\n{output}");
        }
    }
}

/// Inputs that once showed a login.
const KNOWN_LEAKS: [&str; 6] = [
    "redis://:ab@cd/canary@host:6379/0",
    "postgres://u:canary@h/db",
    "https://user:gl/canary@host/x.git",
    "host=pg password=canary",
    "\"postgres://u:canary@h/db\"",
    "u:canary@h",
];

/// The bench's own files are a source like the environment.
#[test]
fn known_leaks_in_files_of_the_bench_are_not_shown() {
    let bench = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(bench.path().join("sites/s.local")).unwrap();
    let path = bench.path().display().to_string();
    let keys = [
        "db_host",
        "db_port",
        "db_type",
        "db_name",
        "redis_cache",
        "redis_queue",
        "socketio_port",
        "default_site",
    ];
    for (value, key) in KNOWN_LEAKS.iter().flat_map(|value| keys.map(|key| (value, key))) {
        for file in ["common_site_config.json", "s.local/site_config.json"] {
            let file = bench.path().join("sites").join(file);
            std::fs::write(&file, serde_json::json!({key: value}).to_string()).unwrap();
            let output =
                output(&BTreeMap::from([("CAULDRON_BENCH", path.as_str()), ("SITE_NAME", "s.local")]));
            std::fs::remove_file(&file).unwrap();
            assert!(!output.contains("canary"), "{key}: {value}\n{output}");
        }
    }
}

#[test]
fn known_leaks_in_any_setting_are_not_shown() {
    for value in KNOWN_LEAKS {
        for name in names() {
            let output = output(&BTreeMap::from([("SITE_NAME", "s.local"), (name, value)]));
            assert!(!output.contains("canary"), "{name}={value}\n{output}");
        }
    }
}
