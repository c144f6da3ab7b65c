//! `frappe.commonSiteConfig`: the bootstrap gets the keys, and the binary accepts what is rendered.

use serde_json::{Value, json};

use super::environment::{bench, print_config, variables};
use super::helm::{Chart, container, variable};

const SETTING: &str = "CAULDRON_COMMON_SITE_CONFIG";

#[test]
fn the_keys_reach_the_bootstrap_alone() {
    let Some(chart) = Chart::new("the_keys_reach_the_bootstrap_alone") else { return };
    let of = |chart: &Chart, role: &str| variable(container(chart.objects().pod(role)), SETTING);
    // Without keys, too, so that those of the last values are removed.
    assert_eq!(of(&chart, "bootstrap").as_deref(), Some("{}"));
    let keys = json!({"limits": {"users": 5}, "max_file_size": 26_214_400, "text": "a \"b\" $c"});
    let with = chart.clone().set("frappe.commonSiteConfig", keys.clone());
    let rendered: Value = serde_json::from_str(&of(&with, "bootstrap").expect("a list")).expect("JSON");
    assert_eq!(rendered, keys);
    for role in ["web", "worker", "scheduler", "socketio"] {
        assert_eq!(of(&with, role), None, "{role}");
    }
    let inline = with.clone().set("frappe.bootstrap.mode", json!("inline"));
    assert!(of(&inline, "web").is_some());
    // A Secret's file in its place.
    let file = json!([{"name": format!("{SETTING}_FILE"), "value": "/run/secrets/keys.json"}]);
    assert_eq!(of(&with.set("frappe.bootstrap.extraEnv", file), "bootstrap"), None);
}

#[test]
fn a_key_with_a_setting_is_refused_by_the_binary_and_a_misspelt_one_by_the_schema() {
    let Some(chart) =
        Chart::new("a_key_with_a_setting_is_refused_by_the_binary_and_a_misspelt_one_by_the_schema")
    else {
        return;
    };
    let bench = bench();
    let said = |keys: Value| {
        let objects = chart.clone().set("frappe.commonSiteConfig", keys).objects();
        let bootstrap = container(objects.pod("bootstrap"));
        print_config(bench.path(), &["bootstrap".to_owned()], &variables(bootstrap))
    };
    assert_eq!(said(json!({"limits": {"users": 5}})).0, 0);
    let (code, text) = said(json!({"db_host": "x"}));
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("use DB_HOST"), "{text}");
    assert!(chart.set("frappe.commonSiteConfig", json!({"a b": 1})).refusal().contains("'a b'"));
}
