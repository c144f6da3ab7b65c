//! Tests that the tables of README.md and docs/ (commands, variables, exit codes, metrics and others) match the
//! code word for word.
//!
//! `UPDATE_README=1 cargo test --bin cauldron-frappe readme` rewrites the tables.

mod events;
mod refusals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli;
use crate::config::frappe_keys::{FrappeKey, KEYS, Treatment};
use crate::config::variable::kind::Secrecy;
use crate::config::variable::{VARIABLES, Variable};
use crate::doctor::CHECKS;
use crate::front::budget_table;
use crate::outcome::EXIT_CODES;
use crate::site_state::rows::Row;
use crate::status::handle::{Phase, RoleName, StatusHandle};
use crate::status::metrics::METRICS;

/// Each page with the marker of its table.
const PAGES: [(&str, &str); 8] = [
    ("README.md", "commands"),
    ("docs/configuration.md", "variables"),
    ("docs/configuration.md", "keys"),
    ("docs/bootstrap.md", "bootstrap"),
    ("docs/doctor.md", "doctor"),
    ("docs/exit-codes.md", "exit codes"),
    ("docs/observability.md", "metrics"),
    ("docs/observability.md", "events"),
];

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(page)
}

fn read(page: &str) -> String {
    std::fs::read_to_string(path(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The tables by the name of their marker.
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
    let variables = VARIABLES.iter().map(variable_row).collect();
    let exit_codes =
        EXIT_CODES.iter().map(|(code, meaning)| vec![code.to_string(), (*meaning).into()]).collect();
    let metrics = METRICS
        .iter()
        .map(|(name, help)| vec![format!("`cauldron_frappe_{name}`"), (*help).into()])
        .collect();
    let checks =
        CHECKS.iter().map(|(id, question)| vec![format!("`{}`", id.text()), (*question).into()]).collect();
    let keys = KEYS.iter().map(key_row).collect();
    let rows = Row::ALL.iter().map(|row| row.columns().map(String::from).to_vec()).collect();
    BTreeMap::from([
        ("bootstrap", table(&["database", "site folder", "our mark", "action"], rows)),
        ("commands", table(&["command", "what it does"], commands)),
        ("variables", table(&["variable", "what it is", "accepts", "default", "0", "secret"], variables)),
        ("keys", table(&["key", "file", "type", "what is done with it", "Frappe's variable"], keys)),
        ("doctor", table(&["id", "question"], checks)),
        ("exit codes", table(&["code", "meaning"], exit_codes)),
        ("events", table(&["event", "level", "message"], events::rows())),
        ("metrics", table(&["metric", "meaning"], metrics)),
    ])
}

/// Name, help, type, default, meaning of 0, and whether it may hold a secret.
fn variable_row(variable: &Variable) -> Vec<String> {
    let also: String = variable.aliases.iter().map(|alias| format!(" (also `{alias}`)")).collect();
    let secret = match variable.kind.secrecy() {
        Secrecy::Public => "no",
        Secrecy::MayHoldLogin => "a login",
        Secrecy::Secret => "yes",
    };
    vec![
        format!("`{}`", variable.name),
        format!("{}{also}", variable.help),
        variable.kind.to_string(),
        variable.default.into(),
        variable.kind.zero().map(|zero| zero.to_string()).unwrap_or_default(),
        secret.into(),
    ]
}

/// A key of Frappe's files, in words.
fn key_row(key: &FrappeKey) -> Vec<String> {
    let treatment = match key.treatment {
        Treatment::Setting(setting) => format!("the same as `{setting}`"),
        Treatment::Read(purpose) => format!("read: {purpose}"),
        Treatment::Refused(cause) => format!("refused (78): {cause}"),
        Treatment::Warned(hint) => format!("warned of: {hint}"),
    };
    let variable = key.variable().map(|name| format!("`{name}`")).unwrap_or_default();
    vec![format!("`{}`", key.name), key.place.words().into(), key.kind.words().into(), treatment, variable]
}

/// The page before its table, the table, and the page behind it.
fn parts<'a>(page: &str, name: &str, text: &'a str) -> [&'a str; 3] {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let at = text.find(&begin).unwrap_or_else(|| panic!("no {begin:?} in {page}")) + begin.len();
    let length = text[at..].find(&end).unwrap_or_else(|| panic!("no {end:?} in {page}"));
    [&text[..at], &text[at..at + length], &text[at + length..]]
}

/// The page with its table replaced by the one from the code.
fn with_table(page: &str, name: &str, text: &str) -> String {
    let [before, _, after] = parts(page, name, text);
    [before, &tables()[name], after].concat()
}

#[test]
fn tables_of_the_pages_match_the_code() {
    assert_eq!(PAGES.len(), tables().len());
    for (page, name) in PAGES {
        let text = read(page);
        let expected = with_table(page, name, &text);
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(path(page), expected).unwrap_or_else(|error| panic!("{page}: {error}"));
        } else {
            assert!(
                text == expected,
                "the table of {page} differs from the code: UPDATE_README=1 cargo test --bin cauldron-frappe readme"
            );
        }
    }
}

#[test]
fn a_table_that_differs_is_detected() {
    let (page, name) = PAGES[1];
    let changed = read(page).replace("`DB_HOST`", "`DB_HOTS`");
    assert_ne!(with_table(page, name, &changed), changed);
}

/// The cells of the table of budgets, which is written by hand.
fn budgets() -> Vec<Vec<String>> {
    let (page, name) = ("docs/web-port.md", "budgets");
    let text = read(page);
    let rows =
        parts(page, name, &text)[1].lines().skip(2).map(|line| line.trim_matches(['|', ' ']).split(" | "));
    rows.map(|cells| cells.map(String::from).collect()).collect()
}

/// Budgets whose limit in the table is not that of the code; metrics and events that do not exist.
fn wrong_in_budgets(rows: &[Vec<String>]) -> Vec<String> {
    let expected = budget_table::numbers();
    assert_eq!(
        rows.iter().map(|row| &row[0]).collect::<Vec<_>>(),
        expected.iter().map(|row| row.0).collect::<Vec<_>>()
    );
    let events: Vec<String> = events::rows().into_iter().map(|row| row[0].clone()).collect();
    let is_metric = |name: &str| METRICS.iter().any(|(metric, _)| *metric == name);
    let mut wrong = Vec::new();
    for (row, (_, numbers)) in rows.iter().zip(expected) {
        let mut limit = row[1].as_str();
        let count = limit.split(' ').filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).count();
        let has = |number: &String| limit.split_once(number).map(|(_, rest)| limit = rest).is_some();
        if count != numbers.len() || !numbers.iter().all(has) {
            wrong.push(row[1].clone());
        }
        let metrics = row[3].split('`').filter_map(|part| part.strip_prefix("cauldron_frappe_"));
        let names: Vec<&str> = metrics.filter_map(|metric| metric.split('{').next()).collect();
        assert!(!names.is_empty(), "{row:?}");
        wrong.extend(names.into_iter().filter(|name| !is_metric(name)).map(str::to_string));
        wrong.extend(Some(row[4].clone()).filter(|event| !events.contains(event)));
    }
    wrong
}

#[test]
fn every_budget_has_its_limit_and_a_metric_and_a_log_event() {
    let mut rows = budgets();
    assert_eq!(wrong_in_budgets(&rows), [""; 0]);
    rows[0][4] = "`web.nothing`".into();
    rows[1][1] = "64 MB".into();
    assert_eq!(wrong_in_budgets(&rows), ["`web.nothing`", "64 MB"]);
}

/// Variables whose row in docs/defaults.md is absent or has another default.
fn without_default(page: &str) -> Vec<&'static str> {
    let has_row = |v: &&Variable| page.contains(&format!("\n| `{}` | {} |", v.name, v.default));
    VARIABLES.iter().filter(|v| !has_row(v)).map(|v| v.name).collect()
}

#[test]
fn every_default_is_explained() {
    let page = read("docs/defaults.md");
    assert_eq!(without_default(&page), [""; 0]);
    let changed = page.replace("| `CAULDRON_MIGRATE_BACKUPS` | 3 |", "| `CAULDRON_MIGRATE_BACKUPS` | 4 |");
    assert_eq!(without_default(&changed), ["CAULDRON_MIGRATE_BACKUPS"]);
}

/// Keys and phases of `/status` that the page does not contain in backticks.
fn unexplained(page: &str) -> Vec<String> {
    let status = StatusHandle::new(RoleName::Web, None).read().status();
    let keys =
        status.as_object().expect("an object").iter().flat_map(|(key, value)| match value.as_object() {
            // The keys of `roles` are the names of roles.
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
