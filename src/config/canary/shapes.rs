//! Malformed texts with a login whose password is `canary`.

use base64::Engine;
use proptest::prelude::*;

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

const SCHEMES: [&str; 5] = ["redis://", "rediss://", "https://", "http://", "postgres://"];

/// Inputs that once showed a login.
pub const KNOWN_LEAKS: [&str; 6] = [
    "redis://:ab@cd/canary@host:6379/0",
    "postgres://u:canary@h/db",
    "https://user:gl/canary@host/x.git",
    "host=pg password=canary",
    "\"postgres://u:canary@h/db\"",
    "u:canary@h",
];

/// The same, without an `@`.
pub const KNOWN_LEAKS_WITHOUT_HOST: [&str; 4] = [
    "a:https://user:canary/x.git:main",
    "[{\"name\":\"https://user:canary/x\"}]",
    "[{\"https://user:canary/x\":1}]",
    "a:https://user:12 canary/x:main",
];

fn pieces(most: usize) -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(PIECES.to_vec());
    proptest::collection::vec(piece, 0..=most).prop_map(|pieces| pieces.concat())
}

/// A text with a login: an `@` somewhere after the canary.
pub fn login() -> impl Strategy<Value = String> {
    (pieces(6), pieces(4), pieces(6))
        .prop_map(|(before, between, behind)| format!("{before}:canary{between}@{behind}"))
}

/// A URL that is cut in its login: there is no `@`.
pub fn login_without_host() -> impl Strategy<Value = String> {
    let scheme = proptest::sample::select(SCHEMES.to_vec());
    let user = proptest::sample::select(vec!["", "user", "user:12", "user:a,", "user: "]);
    (scheme, user, pieces(5))
        .prop_map(|(scheme, user, behind)| format!("{scheme}{user}:canary{}", behind.replace('@', "")))
}

/// The text itself, or wrapped in JSON, base64, a list or quotes.
pub fn wrapped(text: &str, shape: u8) -> String {
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
