//! GitOps is quiet: the same values give the same text, and an upgrade that changes nothing changes nothing.

use serde_json::json;

use super::helm::{Chart, OVERLAYS, chart, name};

#[test]
fn rendered_twice_it_is_the_same() {
    let Some(chart) = Chart::new("rendered_twice_it_is_the_same") else { return };
    for overlay in OVERLAYS {
        let chart = chart.clone().overlay(overlay);
        assert_eq!(chart.text(), chart.text(), "{overlay}");
    }
}

#[test]
fn no_template_asks_for_chance_time_or_the_cluster() {
    let forbidden =
        ["rand", "now", "date", "uuidv4", "genCA", "genSelf", "genSigned", "genPrivate", "lookup", "shuffle"];
    for entry in std::fs::read_dir(chart().join("templates")).expect("templates") {
        let path = entry.expect("templates").path();
        let text = std::fs::read_to_string(&path).expect("a template");
        for action in text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            // What a comment or a string says is no call.
            let quiet: String = action.split('"').step_by(2).filter(|_| !action.contains("/*")).collect();
            for word in quiet.split(|c: char| !c.is_ascii_alphanumeric()) {
                assert!(!forbidden.iter().any(|bad| word.starts_with(bad)), "{}: {action}", path.display());
            }
        }
    }
}

#[test]
fn the_bootstrap_is_named_by_what_it_runs() {
    let Some(chart) = Chart::new("the_bootstrap_is_named_by_what_it_runs") else { return };
    let job = |chart: &Chart| name(chart.objects().get("Job", "")).to_owned();
    let first = job(&chart);
    for (path, value) in [
        ("frappe.image.tag", json!("2.0")),
        ("frappe.apps", json!([{"name": "hrms", "branch": "version-15"}])),
        ("frappe.db.host", json!("other")),
    ] {
        assert_ne!(job(&chart.clone().set(path, value)), first, "{path} makes no new Job");
    }
    // What another role alone is told is none of its business.
    assert_eq!(job(&chart.set("frappe.web.terminationGracePeriodSeconds", json!(90))), first);
}
