//! Holds the README's tables against the code: what it says of commands, variables, exit codes and
//! metrics is what the program has, word for word.
//!
//! `UPDATE_README=1 cargo test readme` writes the tables anew.

use std::collections::BTreeMap;

use crate::cli;
use crate::config::variable::VARIABLES;
use crate::doctor::LOOKS;
use crate::outcome::EXIT_CODES;
use crate::site_state::rows::Row;
use crate::status::metrics::METRICS;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// Each table by the name of its marker in the README.
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

/// The README with its tables replaced by the code's.
fn with_tables(readme: &str) -> String {
    tables().into_iter().fold(readme.to_string(), |text, (name, table)| {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin:?} in README.md"));
        let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end:?} in README.md"));
        format!("{before}{begin}{table}{end}{after}")
    })
}

#[test]
fn readme_tables_are_the_codes() {
    let readme = std::fs::read_to_string(README).expect("README.md");
    let expected = with_tables(&readme);
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(README, expected).expect("README.md");
    } else {
        assert!(
            readme == expected,
            "README.md's tables are not the code's: UPDATE_README=1 cargo test readme"
        );
    }
}

#[test]
fn a_table_that_differs_is_found() {
    let readme = std::fs::read_to_string(README).expect("README.md");
    let changed = readme.replace("`DB_HOST`", "`DB_HOTS`");
    assert_ne!(changed, readme);
    assert_ne!(with_tables(&changed), changed);
}
