//! The imports between the rooms of the source: src/main.rs lists the rooms from top to bottom, and a room imports only
//! rooms below its own. Also the fields of log events: none may have the name of a key that every line has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that a room must not use, independent of its place in the order.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("config", &["tokio_postgres", "redis", "reqwest", "hyper", "axum", "rustls"]),
    ("status", &["hyper", "axum", "reqwest", "http"]),
    ("supervise", &["tokio_postgres", "redis", "reqwest", "hyper", "axum", "clap"]),
    ("front", &["tokio_postgres", "redis", "axum"]),
];

/// Pairs of rooms of which the first must not import the second, although it is below.
const APART: [(&str, &str); 2] = [("supervise", "config"), ("supervise", "frappe")];

/// Words that occur only in the code of one room: other rooms call functions of that room. There is no exception.
const WORDS: [(&str, &[&str]); 3] = [
    (
        "postgres",
        &[
            "pg_try_advisory",
            "pg_advisory",
            "pg_terminate_backend",
            "pg_blocking_pids",
            "pg_stat_activity",
            "pg_locks",
            "\"LISTEN ",
            "\"NOTIFY ",
            "; NOTIFY ",
            "LOCK TABLE",
        ],
    ),
    ("frappe", &[TABLE, "__Auth", "__global"]),
    ("record", &["__cauldron"]),
];

/// The beginning of a table of Frappe, before the DocType's name.
const TABLE: &str = "\"tab";

/// An import: the importing file, and the imported room.
type Import = (String, String);

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code without its comments: a path in a comment is no import.
fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

/// The first name of every path in `use` trees such as `{a::b, c::{d, e}}`, or of one path.
fn first_names(tree: &str) -> Vec<String> {
    let name =
        |path: &str| path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = tree.strip_prefix('{') else { return vec![name(tree)] };
    let (mut depth, mut begins, mut names) = (1, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            names.push(name(&group[begins..at]));
            begins = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The rooms that a source file imports: by `crate::`, or by as many `super::` as lead to the root.
fn imports(file: &str, text: &str) -> Vec<Import> {
    let code = without_comments(text);
    let depth = file.trim_end_matches(".rs").split('/').count();
    let to_the_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", to_the_root.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == ':' || before == '_' || before == '$' {
                continue;
            }
            let names = first_names(&code[at + prefix.len()..]);
            found.extend(
                names.into_iter().filter(|name| name != "super").map(|name| (file.to_string(), name)),
            );
        }
    }
    found
}

/// The rooms in the order of the table in src/main.rs, lowest first.
fn order(main: &str) -> Vec<String> {
    let table = main.split("```").nth(1).expect("src/main.rs has a table of the rooms");
    let rooms = table.lines().filter_map(|line| line.strip_prefix("//!   ")?.split_whitespace().next());
    let mut order: Vec<String> = rooms.map(String::from).collect();
    order.reverse();
    order
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The imports of a room above, or of a forbidden room.
fn wrong(order: &[String], imports: &[Import]) -> Vec<String> {
    let rank: BTreeMap<&str, usize> =
        order.iter().enumerate().map(|(rank, room)| (room.as_str(), rank)).collect();
    let is_wrong = |from: &str, to: &str| {
        let is_up = rank.get(from).zip(rank.get(to)).is_some_and(|(from, to)| from < to);
        is_up || APART.contains(&(from, to))
    };
    let wrong = imports.iter().filter(|(file, to)| is_wrong(room(file), to));
    wrong.map(|(file, to)| format!("{file} imports {to}")).collect()
}

/// All source files, except the root and the modules that check the README against the source.
fn source_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root).into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
        (name, fs::read_to_string(path).unwrap())
    });
    files.filter(|(name, _)| *name != "main.rs" && !name.starts_with("readme")).collect()
}

fn documented_order() -> Vec<String> {
    order(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs")).unwrap())
}

#[test]
fn the_table_lists_exactly_the_rooms() {
    let rooms: BTreeSet<String> = source_files().iter().map(|(file, _)| room(file).to_string()).collect();
    assert_eq!(rooms, documented_order().into_iter().collect());
}

#[test]
fn no_room_imports_a_room_above() {
    let imports: Vec<Import> = source_files().iter().flat_map(|(file, text)| imports(file, text)).collect();
    assert!(imports.len() > 1_000, "the source was read: {} imports", imports.len());
    assert_eq!(wrong(&documented_order(), &imports), Vec::<String>::new());
}

#[test]
fn no_room_uses_a_forbidden_crate() {
    let mut found = Vec::new();
    for (file, text) in source_files() {
        let code = without_comments(&text);
        for (_, crates) in FORBIDDEN.iter().filter(|(of, _)| *of == room(&file)) {
            // A module of the room may have the name of a crate.
            let is_own = |name: &str| code.contains(&format!("mod {name};"));
            let is_used = |name: &&&str| {
                code.contains(&format!("use {name}::"))
                    || (!is_own(name) && code.contains(&format!(" {name}::")))
            };
            let names = crates.iter().filter(is_used);
            found.extend(names.map(|name| format!("{file} uses {name}")));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// The words of other rooms in the code of a file.
fn misplaced(file: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let has = |word: &str| {
        let mut places = code.match_indices(word);
        places.any(|(at, _)| word != TABLE || code[at + word.len()..].starts_with(char::is_uppercase))
    };
    let others = WORDS.iter().filter(|(of, _)| *of != room(file));
    let found = others.flat_map(|(of, words)| words.iter().map(move |word| (of, *word)));
    found.filter(|(_, word)| has(word)).map(|(of, word)| format!("{file} has {of}'s {word}")).collect()
}

#[test]
fn the_words_of_a_room_occur_in_no_other_room() {
    let found: Vec<String> = source_files().iter().flat_map(|(file, text)| misplaced(file, text)).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_seeded_word_is_found_outside_its_room_and_only_in_code() {
    for seed in [
        r#"client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]);"#,
        r#"const WHO: &str = "SELECT pid FROM pg_stat_activity";"#,
        r#"client.batch_execute(&format!("NOTIFY {CHANNEL}"));"#,
        r##"let sql = r#"SELECT name FROM public."tabUser""#;"##,
        r##"let sql = r#"SELECT FROM "__Auth""#;"##,
        r##"let sql = r#"UPDATE public."__cauldron_state" SET gate = $2"#;"##,
    ] {
        assert_eq!(misplaced("install/jobs.rs", seed).len(), 1, "{seed}");
        assert_eq!(misplaced("install/jobs.rs", &format!("// {seed}")), Vec::<String>::new());
        let own = WORDS.iter().filter(|(of, _)| misplaced(&format!("{of}/part.rs"), seed).is_empty());
        assert_eq!(own.count(), 1, "{seed}");
    }
    let fine = r#"vec!["tables of another role", "locks, LISTEN and settings"]"#;
    assert_eq!(misplaced("create/provision.rs", fine), Vec::<String>::new());
}

#[test]
fn a_seeded_import_is_found_in_every_syntax() {
    let order = order("```text\n//!   top      a\n//!   middle   b\n//!   bottom   c\n//! ```");
    for seed in [
        "use crate::top::Thing;",
        "use crate::{bottom, top::{self, Thing}};",
        "fn f() { crate::top::act(); }",
        "use super::super::top::Thing;",
        "    use crate::bottom::{A, B};\n    use crate::top;",
    ] {
        assert_eq!(wrong(&order, &imports("middle/part.rs", seed)), ["middle/part.rs imports top"], "{seed}");
    }
    for fine in ["use crate::bottom::Thing;", "use super::top;", "// crate::top", "use crate::middle::top;"] {
        assert_eq!(wrong(&order, &imports("middle/part.rs", fine)), Vec::<String>::new(), "{fine}");
    }
    assert_eq!(wrong(&order, &imports("middle.rs", "use super::top::Thing;")), ["middle.rs imports top"]);
}

/// The keys that every JSON log line has (src/telemetry.rs).
const KEYS_OF_A_LINE: [&str; 4] = ["timestamp", "level", "target", "message"];

/// The arguments of a macro call; `text` begins after its opening parenthesis.
fn macro_arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut begins, mut in_string, mut escaped, mut arguments) = (1, 0, false, false, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',' && !in_string) {
            arguments.push(text[begins..at].trim());
            begins = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    arguments
}

/// The fields of every log event, one list per event.
fn event_fields(text: &str) -> Vec<Vec<String>> {
    let code = without_comments(text);
    let calls = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];
    let begins = calls.iter().flat_map(|call| code.match_indices(call).map(|(at, call)| at + call.len()));
    let field = |argument: &str| {
        let name = argument.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']);
        let name = name.rsplit('.').next().unwrap_or_default().to_string();
        (!argument.starts_with('"')).then_some(name).filter(|name| !name.is_empty())
    };
    begins.map(|at| macro_arguments(&code[at..]).into_iter().map_while(field).collect()).collect()
}

/// The fields that would give their log line a duplicate key.
fn keys_twice(text: &str) -> Vec<String> {
    let twice = |fields: Vec<String>| {
        let known =
            |at: usize| KEYS_OF_A_LINE.contains(&fields[at].as_str()) || fields[..at].contains(&fields[at]);
        (0..fields.len()).filter(|at| known(*at)).map(|at| fields[at].clone()).collect::<Vec<_>>()
    };
    event_fields(text).into_iter().flat_map(twice).collect()
}

#[test]
fn no_log_line_has_a_key_twice() {
    let mut events = 0;
    for (file, text) in source_files() {
        assert_eq!(keys_twice(&text), Vec::<String>::new(), "{file}");
        events += event_fields(&text).len();
    }
    assert!(events > 150, "the source was read: {events} events");
}

#[test]
fn a_seeded_duplicate_key_is_found_in_every_syntax() {
    for (seed, key) in [
        (r#"tracing::warn!(target = %queue, "text");"#, "target"),
        ("info!(\n    site,\n    level,\n    \"text, {}\",\n    1\n);", "level"),
        (r#"debug!(pid = f(1, "),"), ?message, "text")"#, "message"),
        (r#"error!(site = a, problem, site = b, "text")"#, "site"),
    ] {
        assert_eq!(keys_twice(seed), [key], "{seed}");
    }
    for fine in [r#"warn!(%error, site, "level = {level}, target");"#, r#"info!("a, level, {}", level)"#] {
        assert_eq!(keys_twice(fine), Vec::<String>::new(), "{fine}");
    }
}
