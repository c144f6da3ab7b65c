//! Holds the tables of README.md and docs/ against the code: what they say of commands, variables, exit codes
//! and metrics is what the program has, word for word.
//!
//! `UPDATE_README=1 cargo test --bin cauldron-frappe readme` writes the tables again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli;
use crate::config::variable::{VARIABLES, Variable};
use crate::doctor::LOOKS;
use crate::outcome::EXIT_CODES;
use crate::site_state::rows::Row;
use crate::status::handle::{Phase, StatusHandle};
use crate::status::metrics::METRICS;

/// Each page with the markers of its tables.
const PAGES: [(&str, &str); 6] = [
    ("README.md", "commands"),
    ("docs/configuration.md", "variables"),
    ("docs/bootstrap.md", "bootstrap"),
    ("docs/doctor.md", "doctor"),
    ("docs/exit-codes.md", "exit codes"),
    ("docs/observability.md", "metrics"),
];

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(page)
}

fn read(page: &str) -> String {
    std::fs::read_to_string(path(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Each table by the name of its marker.
fn tables() -> BTreeMap<&'static str, String> {
    let table = |head: &[&str], rows: Vec<Vec<String>>| {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = head.iter().map(ToString::to_string).collect();
        let rule = vec!["---".to_string(); head.len()];
        std::iter::once(head).chain([rule]).chain(rows).map(|cells| line(&cells)).collect::<String>()
    };
    let commands = cli::command()
        .get_subcommands()
        .map(|command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            vec![format!("`{}`", command.get_name()), about]
        })
        .collect();
    let variables = VARIABLES
        .iter()
        .map(|variable| {
            let also: String = variable.aliases.iter().map(|alias| format!(" (also `{alias}`)")).collect();
            vec![format!("`{}`", variable.name), variable.default.into(), format!("{}{also}", variable.help)]
        })
        .collect();
    let exit_codes =
        EXIT_CODES.iter().map(|(code, meaning)| vec![code.to_string(), (*meaning).into()]).collect();
    let metrics = METRICS
        .iter()
        .map(|(name, help)| vec![format!("`cauldron_frappe_{name}`"), (*help).into()])
        .collect();
    let looks = LOOKS.iter().map(|(id, asks)| vec![format!("`{}`", id.text()), (*asks).into()]).collect();
    let rows = Row::ALL.iter().map(|row| row.words().map(String::from).to_vec()).collect();
    BTreeMap::from([
        ("bootstrap", table(&["database", "site folder", "our mark", "action"], rows)),
        ("commands", table(&["command", "what it does"], commands)),
        ("variables", table(&["variable", "default", "what it is"], variables)),
        ("doctor", table(&["id", "question"], looks)),
        ("exit codes", table(&["code", "meaning"], exit_codes)),
        ("metrics", table(&["metric", "meaning"], metrics)),
    ])
}

/// A page with its table replaced by the code's.
fn with_table(page: &str, name: &str, text: &str) -> String {
    let table = &tables()[name];
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin:?} in {page}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end:?} in {page}"));
    format!("{before}{begin}{table}{end}{after}")
}

#[test]
fn the_pages_tables_are_the_codes() {
    assert_eq!(PAGES.len(), tables().len());
    for (page, name) in PAGES {
        let text = read(page);
        let expected = with_table(page, name, &text);
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(path(page), expected).unwrap_or_else(|error| panic!("{page}: {error}"));
        } else {
            assert!(
                text == expected,
                "{page}'s table is not the code's: UPDATE_README=1 cargo test --bin cauldron-frappe readme"
            );
        }
    }
}

#[test]
fn a_table_that_differs_is_found() {
    let (page, name) = PAGES[1];
    let changed = read(page).replace("`DB_HOST`", "`DB_HOTS`");
    assert_ne!(with_table(page, name, &changed), changed);
}

/// Variables whose row in docs/defaults.md is absent, or gives another default.
fn without_default(page: &str) -> Vec<&'static str> {
    let has_row = |v: &&Variable| page.contains(&format!("\n| `{}` | {} |", v.name, v.default));
    VARIABLES.iter().filter(|v| !has_row(v)).map(|v| v.name).collect()
}

#[test]
fn every_default_is_explained() {
    let page = read("docs/defaults.md");
    assert_eq!(without_default(&page), [""; 0]);
    let changed = page.replace("| `CAULDRON_BACKUP` | 3 |", "| `CAULDRON_BACKUP` | 4 |");
    assert_eq!(without_default(&changed), ["CAULDRON_BACKUP"]);
}

/// Keys and phases of `/status` that a page does not have in backticks.
fn unexplained(page: &str) -> Vec<String> {
    let status = StatusHandle::new("web", None).read().status();
    let keys =
        status.as_object().expect("an object").iter().flat_map(|(key, value)| match value.as_object() {
            // By the role's name.
            Some(inner) if key != "roles" => {
                inner.keys().map(|inner| format!("{key}.{inner}")).collect::<Vec<_>>()
            }
            _ => vec![key.clone()],
        });
    let phases = Phase::ALL.iter().map(|phase| phase.as_str().to_string());
    keys.chain(phases).filter(|word| !page.contains(&format!("`{word}`"))).collect()
}

#[test]
fn every_key_of_status_is_explained() {
    let page = read("docs/observability.md");
    assert_eq!(unexplained(&page), [""; 0]);
    assert_eq!(unexplained(&page.replace("`gate.stage`", "`gate.state`")), ["gate.stage"]);
}
