//! `null` in place of a map of values.yaml, as by a line whose keys are all commented out: it renders, or is refused by name.

use serde_json::{Value, json};

use super::helm::{Chart, IMAGE, chart};

/// The paths of all maps.
fn maps(value: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
    for (key, value) in value.as_object().into_iter().flatten().filter(|(_, value)| value.is_object()) {
        let path = [path, std::slice::from_ref(key)].concat();
        maps(value, &path, found);
        found.push(path);
    }
}

/// These values with null at a path.
fn null_at(mut values: Value, path: &[String]) -> Value {
    let (last, outer) = path.split_last().expect("a path");
    let of = outer.iter().fold(&mut values, |value, key| {
        let map = value.as_object_mut().expect("a map");
        map.entry(key.clone()).or_insert_with(|| json!({}))
    });
    of[last] = Value::Null;
    values
}

/// With everything on, so that each value is read.
fn everything() -> Value {
    json!({"frappe": {
        "image": {"repository": IMAGE},
        "persistence": {"accessMode": "ReadWriteMany"},
        "backup": {"enabled": true, "to": "s3:https://s3.example.com/erp", "passwordSecret": "p", "credentialsSecret": "c",
            "verify": {"enabled": true}, "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]},
        "networkPolicy": {"enabled": true, "egress": {"enabled": true}},
        "metrics": {"serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}, "dashboard": {"enabled": true}},
        "httpRoute": {"enabled": true, "parentRefs": [{"name": "public"}]},
        "autoscaling": {"web": {"enabled": true}, "worker": {"enabled": true}},
        "db": {"secret": "erp-db-app"},
        "initContainers": {"waitForDb": {"enabled": false}},
    }})
}

/// In both Helms, whose schema validators write different sentences.
fn names(refusal: &str, path: &[String]) -> bool {
    let (last, outer) = path.split_last().expect("a path");
    let slashes: String = outer.iter().map(|key| format!("/{key}")).collect();
    let dots = if outer.is_empty() { "(root)".to_owned() } else { outer.join(".") };
    refusal.contains(&format!("at '{slashes}': missing property '{last}'"))
        || refusal.contains(&format!("- {dots}: {last} is required"))
}

#[test]
fn null_for_a_map_renders_or_is_refused_by_its_name() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).expect("values.yaml");
    let values: Value = serde_yaml_ng::from_str(&text).expect("YAML");
    let mut paths = Vec::new();
    maps(&values, &[], &mut paths);
    assert!(paths.len() > 70, "{}", paths.len());
    let folder = tempfile::tempdir().expect("a folder");
    for helm in ["helm", "helm3"] {
        let mut refused = Vec::new();
        for path in &paths {
            let Some(chart) = Chart::without_image("null_for_a_map_renders_or_is_refused_by_its_name", helm)
            else {
                return;
            };
            let file = folder.path().join("values.yaml");
            std::fs::write(&file, null_at(everything(), path).to_string()).expect("a file");
            let chart = chart.values(&file);
            match chart.rendered() {
                Ok(text) => assert!(text.contains("kind: Deployment")),
                Err(refusal) => {
                    assert!(names(&refusal, path), "{helm}, {}: {refusal}", path.join("."));
                    refused.push(path.join("."));
                }
            }
        }
        for path in ["frappe", "global", "serviceAccount", "frappe.db", "frappe.backup.verify"] {
            assert!(refused.iter().any(|refused| refused == path), "{helm}: {path} was rendered");
        }
    }
}

/// A switch or path that is null has no meaning of its own either.
#[test]
fn null_for_a_value_that_all_pods_need_is_refused_by_its_name() {
    for helm in ["helm", "helm3"] {
        let Some(chart) = Chart::by("null_for_a_value_that_all_pods_need_is_refused_by_its_name", helm)
        else {
            return;
        };
        for path in
            ["frappe.autoscaling.web.enabled", "frappe.autoscaling.worker.enabled", "frappe.bench.path"]
        {
            let refusal = chart.clone().set(path, Value::Null).refusal();
            let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
            assert!(names(&refusal, &keys), "{helm}, {path}: {refusal}");
        }
        let backup = json!({"enabled": true, "to": null, "verify": {"enabled": true}});
        let refusal = chart.set("frappe.backup", backup).refusal();
        assert!(refusal.contains("frappe.backup.to is not set"), "{helm}: {refusal}");
    }
}
