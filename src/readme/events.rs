//! The log events of the source, read from the source: a tracing call without a name is found, and
//! docs/observability.md lists every name with its level and message.

use std::collections::BTreeMap;
use std::path::Path;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// One tracing call.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    level: &'static str,
    /// None where the first field is not `event = "…"`.
    name: Option<String>,
    message: String,
}

/// Rows of docs/observability.md: name, level, message. One name may have several call sites; the first one's
/// message stands for them.
pub fn rows() -> Vec<Vec<String>> {
    let mut events: BTreeMap<String, (&str, String)> = BTreeMap::new();
    for (_, call) in all() {
        if let Some(name) = call.name {
            events.entry(name).or_insert((call.level, call.message));
        }
    }
    let row = |(name, (level, message)): (String, (&str, String))| {
        vec![format!("`{name}`"), level.to_string(), message.replace('|', "\\|")]
    };
    events.into_iter().map(row).collect()
}

fn all() -> Vec<(String, Call)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("a folder of src");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("readme/events.rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                found.extend(calls(&text).into_iter().map(|call| (path.display().to_string(), call)));
            }
        }
    }
    found
}

fn calls(source: &str) -> Vec<Call> {
    let mut found = Vec::new();
    for level in LEVELS {
        let macro_call = format!("{level}!(");
        for (at, _) in source.match_indices(&macro_call) {
            let before = source[..at].chars().next_back();
            if before.is_none_or(|c| c.is_whitespace() || ":|(>".contains(c)) {
                found.push(call(level, &source[at + macro_call.len()..]));
            }
        }
    }
    found
}

/// Reads a call from behind its opening parenthesis.
fn call(level: &'static str, text: &str) -> Call {
    let (mut depth, mut rest) = (1, text);
    let mut literals: Vec<(bool, String)> = Vec::new();
    let mut previous = ' ';
    while depth > 0 {
        let Some(c) = rest.chars().next() else { break };
        if c == '"' {
            let (literal, after) = literal(&rest[1..]);
            // A literal behind `=` is a field's value; one in a nested call is an argument.
            literals.push((previous != '=' && depth == 1, literal));
            rest = after;
            previous = '"';
            continue;
        }
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if !c.is_whitespace() {
            previous = c;
        }
        rest = &rest[c.len_utf8()..];
    }
    let name = text.trim_start().strip_prefix("event = \"").and_then(|rest| rest.split('"').next());
    let message = literals.into_iter().rev().find(|(is_message, _)| *is_message);
    Call { level, name: name.map(str::to_string), message: message.map(|(_, text)| text).unwrap_or_default() }
}

/// A string literal from behind its opening quote, and what follows its closing one.
fn literal(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next() {
                Some((at, '\n')) => {
                    let skipped = text[at + 1..].len() - text[at + 1..].trim_start().len();
                    for _ in 0..skipped {
                        characters.next();
                    }
                }
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            _ => value.push(c),
        }
    }
    (value, "")
}

#[test]
fn every_event_has_a_name_of_a_domain_and_a_thing() {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
    };
    let is_name =
        |name: &str| name.split_once('.').is_some_and(|(domain, thing)| is_part(domain) && is_part(thing));
    let all = all();
    assert!(all.len() > 150, "only {} calls were found", all.len());
    let wrong: Vec<_> = all.iter().filter(|(_, call)| !call.name.as_deref().is_some_and(is_name)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_call_is_read_with_its_name_level_and_message() {
    let source = r#"
        tracing::warn!(event = "job.lost", job = id(&job, "x"), "a job is (almost) \
             lost: {why}");
        info!(site, "no name");
        other_info!("not a call of tracing");
    "#;
    let call = |level, name: Option<&str>, message: &str| Call {
        level,
        name: name.map(str::to_string),
        message: message.to_string(),
    };
    let expected =
        [call("warn", Some("job.lost"), "a job is (almost) lost: {why}"), call("info", None, "no name")];
    assert_eq!(calls(source), expected);
}
