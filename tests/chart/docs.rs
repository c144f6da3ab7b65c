//! The pages name what there is: commands, variables, values, metrics, exit codes; and their values files render.

use std::collections::BTreeSet;

use serde_json::Value;

use super::environment::{bench, is_known, print_config};
use super::helm::{Chart, chart, repository};
use super::metrics;

const PAGES: [&str; 24] = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/3am.md",
    "docs/architecture.md",
    "docs/bootstrap.md",
    "docs/configuration.md",
    "docs/custom-apps.md",
    "docs/defaults.md",
    "docs/deployment-facts.md",
    "docs/development.md",
    "docs/doctor.md",
    "docs/exit-codes.md",
    "docs/kubernetes.md",
    "docs/moving.md",
    "docs/observability.md",
    "docs/operations.md",
    "docs/refusals.md",
    "docs/roles.md",
    "docs/secrets.md",
    "docs/troubleshooting.md",
    "docs/upgrades.md",
    "docs/web-port.md",
    "charts/cauldron-frappe/README.md",
    "charts/cauldron-frappe/INSTALLATION.md",
];

fn page(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands in backticks on a line, and the lines of blocks of code, by the block's language.
fn code(text: &str) -> Vec<(String, String)> {
    let (mut found, mut block) = (Vec::new(), None::<String>);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language.to_owned()),
            (None, Some(language)) => found.push((language.clone(), line.to_owned())),
            (None, None) => {
                found.extend(line.split('`').skip(1).step_by(2).map(|span| (String::new(), span.to_owned())));
            }
        }
    }
    found
}

/// The words after our own name, as far as they can be typed.
fn commands(text: &str) -> Vec<Vec<String>> {
    let typed = |word: &&str| {
        word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./=,".contains(&b)) && !word.is_empty()
    };
    let mut found = Vec::new();
    for (language, line) in code(text) {
        if !["", "sh"].contains(&&*language) {
            continue;
        }
        let Some((before, after)) = line.split_once("cauldron-frappe ") else { continue };
        // An image's name, a path, a release.
        let is_ours = before.is_empty() || before.ends_with([' ', '/']) && !before.ends_with("charts/");
        let mut words: Vec<String> = after.split(' ').take_while(typed).map(str::to_owned).collect();
        if words.len() < after.split(' ').count() && words.last().is_some_and(|word| word.starts_with("--")) {
            // The value of this option is one of the shell's.
            words.pop();
        }
        let is_command =
            words.first().is_some_and(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        if is_ours && is_command && !line.contains("docker ") && !line.contains("helm ") {
            found.push(words);
        }
    }
    found
}

#[test]
fn every_command_can_be_typed() {
    let bench = bench();
    let settings =
        [("SITE_NAME", "a.test"), ("DB_HOST", "h"), ("DB_NAME", "d"), ("REDIS_QUEUE", "redis://h/1")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let refused = |words: &[String]| print_config(bench.path(), words, &settings).0 == 64;
    let mut seen = BTreeSet::new();
    for name in PAGES {
        for mut words in commands(&page(name)) {
            if words.iter().any(|word| word == "--") {
                // What is run is no business of ours.
                words.truncate(1);
            }
            if ["exec", "run", "completions"].contains(&&*words[0]) {
                continue;
            }
            assert!(!refused(&words), "{name}: cauldron-frappe {}", words.join(" "));
            seen.insert(words);
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
    // The control.
    assert!(refused(&["migrate".to_owned(), "--again".to_owned()]));
}

/// Values of pods and Services have no default of their own below a role; the schema has them.
fn is_in_schema(schema: &Value, path: &str) -> bool {
    let step = |node: &Value, key: &str| {
        let node = node["properties"].get(key)?;
        let definition = node["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        Some(definition.map_or(node, |name| &schema["definitions"][name]).clone())
    };
    path.split('.').try_fold(schema.clone(), |node, key| step(&node, key)).is_some()
}

#[test]
fn every_variable_value_and_metric_is_there() {
    let file = std::fs::read_to_string(chart().join("values.yaml")).expect("values.yaml");
    let values: Value = serde_yaml_ng::from_str(&file).expect("YAML");
    let schema = std::fs::read_to_string(chart().join("values.schema.json")).expect("values.schema.json");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let has = |path: &str| {
        path.split('.').try_fold(&values, |value, key| value.get(key)).is_some()
            || is_in_schema(&schema, path)
    };
    for name in PAGES {
        let text = page(name);
        assert_eq!(metrics::unknown(&text), [""; 0], "{name}");
        for (language, span) in code(&text) {
            let words = span.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
            for variable in words.filter(|word| word.starts_with("CAULDRON_") && word.len() > 9) {
                let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
                let of_tests = ["CAULDRON_TEST", "CAULDRON_DRILL", "CAULDRON_FUZZ"]
                    .iter()
                    .any(|start| variable.starts_with(start));
                assert!(is_known(plain) || of_tests, "{name}: {variable}");
            }
            let path = span.split([':', '=', ' ', ',', ')']).next().unwrap_or_default();
            let is_path = path.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
            if language.is_empty()
                && path.starts_with("frappe.")
                && is_path
                && !path.starts_with("frappe.app")
            {
                assert!(has(path), "{name}: {path} is not in values.yaml");
            }
        }
    }
    assert!(has("frappe.db.host") && !has("frappe.db.hots") && !has("frappe.web.service.nodeport"));
}

/// The numbers in the first cells of a table.
fn codes(table: &str) -> BTreeSet<u32> {
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    cells.flat_map(|cell| cell.split([',', ' ']).filter_map(|word| word.parse().ok())).collect()
}

/// Every exit code of the program but the one of success.
fn exit_codes() -> BTreeSet<u32> {
    let page = page("docs/exit-codes.md");
    let table = page.split("<!-- exit codes -->").nth(1).expect("the table");
    codes(table.split("<!-- end of exit codes -->").next().expect("the table"))
}

#[test]
fn operations_says_what_to_do_after_each_exit_code() {
    let operations = page("docs/operations.md");
    let mut said = codes(operations.split("| exit code |").nth(1).expect("the table of operations.md"));
    // 128 + n.
    said.remove(&128);
    assert!(exit_codes().len() > 8);
    assert_eq!(said, exit_codes());
}

/// Alerts and exit codes for which a page has no row.
fn without_row(page: &str, alerts: &[String]) -> Vec<String> {
    let cells: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    let has = |word: &str| cells.iter().any(|cell| cell.split([',', ' ']).any(|other| other == word));
    let codes = exit_codes().into_iter().filter(|code| *code != 0).map(|code| code.to_string());
    alerts.iter().cloned().chain(codes).filter(|word| !has(word)).collect()
}

#[test]
fn at_night_each_alert_and_each_exit_code_has_its_row() {
    let alerts = metrics::alerts();
    let page = page("docs/3am.md");
    assert!(alerts.len() > 8 && page.lines().count() <= 60);
    assert_eq!(without_row(&page, &alerts), [""; 0]);
    let changed = page.replace("NoWorkers", "NoWork").replace(", 70 |", ", 71 |");
    assert_eq!(without_row(&changed, &alerts), ["NoWorkers", "70"]);
}

#[test]
fn the_values_that_the_pages_show_render() {
    let Some(plain) = Chart::new("the_values_that_the_pages_show_render") else { return };
    let mut rendered = 0;
    for name in PAGES {
        let text = page(name);
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            if !block.starts_with("frappe:") {
                continue;
            }
            let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
            std::fs::write(file.path(), block).expect("a file");
            assert!(plain.clone().values(file.path()).objects().0.len() > 8, "{name}: {block}");
            rendered += 1;
        }
    }
    assert!(rendered > 0);
}
