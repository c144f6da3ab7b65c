//! The dashboard and the alerts ask for metrics that there are: docs/observability.md's table, which src/readme.rs
//! holds against the code.

use std::collections::BTreeSet;

use serde_json::Value;

use super::helm::{chart, repository};

fn known() -> BTreeSet<String> {
    let page = repository().join("docs/observability.md");
    let page = std::fs::read_to_string(page).expect("docs/observability.md");
    let table = page.split("<!-- metrics -->").nth(1).expect("the table");
    let table = table.split("<!-- end of metrics -->").next().expect("the table");
    let names = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.map(str::to_owned).collect()
}

/// A histogram is one metric with three names.
pub fn unknown(text: &str) -> Vec<String> {
    let known = known();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("cauldron_frappe_"))
        .filter(|word| {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
            !known.contains(*word) && !base.is_some_and(|base| known.contains(base))
        })
        .map(str::to_owned)
        .collect()
}

fn file(name: &str) -> String {
    std::fs::read_to_string(chart().join("files").join(name)).expect(name)
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_there_are() {
    for name in ["dashboard.json", "alerts.yaml"] {
        let text = file(name);
        assert!(text.matches("cauldron_frappe_").count() > 5, "{name} asks for nothing");
        assert_eq!(unknown(&text), [""; 0], "{name}");
    }
    // The control.
    assert_eq!(unknown("rate(cauldron_frappe_nonsense_total[5m])"), ["cauldron_frappe_nonsense_total"]);
}

/// Each alert's name, without what all of them begin with.
pub fn alerts() -> Vec<String> {
    // Those that name the release are in a template.
    let of_release = std::fs::read_to_string(chart().join("templates/_alerts.tpl")).expect("_alerts.tpl");
    let text = file("alerts.yaml") + &of_release;
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: CauldronFrappe"));
    names.map(str::to_owned).collect()
}

#[test]
fn every_alert_says_what_to_do() {
    let rules: Value = serde_yaml_ng::from_str(&file("alerts.yaml")).expect("YAML");
    let alerts: Vec<&Value> = rules["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
        .collect();
    assert!(alerts.len() >= 8);
    for alert in alerts {
        let name = alert["alert"].as_str().expect("a name");
        assert!(alert["expr"].as_str().is_some_and(|expr| expr.contains("cauldron_frappe_")), "{name}");
        assert!(["warning", "critical"].iter().any(|level| alert["labels"]["severity"] == *level), "{name}");
        for part in ["summary", "description", "runbook_url"] {
            assert!(
                alert["annotations"][part].as_str().is_some_and(|text| text.len() > 10),
                "{name}: {part}"
            );
        }
    }
}
