//! Keys and values of labels, keys of annotations and names of variables that an API server refuses are refused when rendered.

use serde_json::{Value, json};

use super::helm::Chart;

const HELMS: [&str; 2] = ["helm", "helm3"];

/// Where values have labels, and by what name a refusal calls them.
const LABELS: [(&str, &str); 9] = [
    ("global.labels", "global.labels"),
    ("frappe.podLabels", "podLabels"),
    ("frappe.worker.podLabels", "podLabels"),
    ("frappe.labels", "labels"),
    ("frappe.nodeSelector", "nodeSelector"),
    ("frappe.web.service.labels", "frappe.web.service.labels"),
    ("frappe.metrics.serviceMonitor.labels", "frappe.metrics.serviceMonitor.labels"),
    ("frappe.metrics.prometheusRule.labels", "frappe.metrics.prometheusRule.labels"),
    ("frappe.metrics.dashboard.labels", "frappe.metrics.dashboard.labels"),
];

const ANNOTATIONS: [(&str, &str); 8] = [
    ("frappe.podAnnotations", "podAnnotations"),
    ("frappe.annotations", "annotations"),
    ("frappe.web.service.annotations", "frappe.web.service.annotations"),
    ("frappe.service.annotations", "frappe.web.service.annotations"),
    ("frappe.ingress.annotations", "frappe.ingress.annotations"),
    ("frappe.httpRoute.annotations", "frappe.httpRoute.annotations"),
    ("frappe.persistence.annotations", "frappe.persistence.annotations"),
    ("serviceAccount.annotations", "serviceAccount.annotations"),
];

fn chart(test: &str, helm: &str) -> Option<Chart> {
    let metrics = json!({"serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true},
        "dashboard": {"enabled": true}});
    let route = json!({"enabled": true, "parentRefs": [{"name": "public"}]});
    Some(Chart::by(test, helm)?.set("frappe.metrics", metrics).set("frappe.httpRoute", route))
}

fn keyed(key: &str, value: &str) -> Value {
    Value::Object([(key.to_owned(), json!(value))].into_iter().collect())
}

#[test]
fn a_value_that_no_label_may_have_is_refused() {
    const TEST: &str = "a_value_that_no_label_may_have_is_refused";
    for helm in HELMS {
        let Some(chart) = chart(TEST, helm) else { return };
        for (path, of) in LABELS {
            let refusal = chart.clone().set(path, json!({"team": "Sales & Co"})).refusal();
            let told = format!("{of}.team is \"Sales & Co\", which a label cannot be");
            assert!(refusal.contains(&told), "{helm}, {path}: {refusal}");
        }
        for value in ["a".repeat(64).as_str(), "-a", "a.", "ä", "a/b", "a b"] {
            let refusal = chart.clone().set("frappe.podLabels", json!({"team": value})).refusal();
            assert!(refusal.contains("podLabels.team is"), "{helm}, {value}: {refusal}");
        }
        for value in ["a".repeat(63).as_str(), "", "A_b.c-1", "7"] {
            let objects = chart.clone().set("frappe.podLabels", json!({"team": value})).objects();
            assert_eq!(objects.pod("web")["metadata"]["labels"]["team"], value);
        }
        let named = chart.set("fullnameOverride", json!("shop")).set("nameOverride", json!("My shop"));
        assert!(named.refusal().contains("nameOverride is \"My shop\""), "{helm}");
    }
}

#[test]
fn a_key_that_is_no_qualified_name_is_refused() {
    const TEST: &str = "a_key_that_is_no_qualified_name_is_refused";
    for helm in HELMS {
        let Some(chart) = chart(TEST, helm) else { return };
        for (path, of) in LABELS.iter().chain(&ANNOTATIONS) {
            let refusal = chart.clone().set(path, keyed("my team", "a")).refusal();
            assert!(
                refusal.contains(&format!("the key \"my team\" of {of} is not a qualified name")),
                "{helm}, {path}: {refusal}"
            );
        }
        let long = format!("example.com/{}", "a".repeat(64));
        for key in ["", "/a", "a/", "a/b/c", "-a", "a_", "exa_mple/a", "a b/c", &long] {
            let refusal = chart.clone().set("frappe.podAnnotations", keyed(key, "a")).refusal();
            assert!(refusal.contains("of podAnnotations is not"), "{helm}, {key}: {refusal}");
        }
        // An API server takes capitals in the prefix of an annotation, and not in that of a label.
        let capitals = keyed("Example.com/Team", "any text: €");
        let objects = chart.clone().set("frappe.podAnnotations", capitals.clone()).objects();
        assert_eq!(objects.pod("web")["metadata"]["annotations"]["Example.com/Team"], "any text: €");
        assert!(chart.set("frappe.podLabels", capitals).refusal().contains("of podLabels is not"));
    }
}

/// A label or an annotation that an earlier values file has.
#[test]
fn null_in_a_later_values_file_removes_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, value: Value| {
        let of = json!({"gone": value, "kept": "1"});
        let values = json!({"frappe": {"podLabels": of, "podAnnotations": of, "nodeSelector": of}});
        let path = folder.path().join(name);
        std::fs::write(&path, values.to_string()).expect("a file");
        path
    };
    let (base, overlay) = (file("base.yaml", json!("1")), file("overlay.yaml", Value::Null));
    for helm in HELMS {
        let Some(chart) = Chart::by("null_in_a_later_values_file_removes_a_key", helm) else { return };
        let objects = chart.values(&base).values(&overlay).objects();
        let pod = objects.pod("web");
        for of in [&pod["metadata"]["labels"], &pod["metadata"]["annotations"], &pod["spec"]["nodeSelector"]]
        {
            assert_eq!((&of["gone"], &of["kept"]), (&Value::Null, &json!("1")), "{helm}: {of}");
            assert!(of.get("gone").is_none(), "{helm}: {of}");
        }
    }
}

#[test]
fn a_name_that_no_variable_may_have_is_refused() {
    for helm in HELMS {
        let Some(chart) = Chart::by("a_name_that_no_variable_may_have_is_refused", helm) else { return };
        for name in ["A=B", "=", "", "Ä", "A\nB"] {
            let refusal =
                chart.clone().set("frappe.extraEnv", json!([{"name": name, "value": "x"}])).refusal();
            let path = if helm == "helm" { "/frappe/extraEnv/0/name" } else { "frappe.extraEnv.0.name" };
            assert!(refusal.contains(path), "{helm}, {name}: {refusal}");
        }
        let prefixed = json!([{"prefix": "A=", "secretRef": {"name": "mail"}}]);
        assert!(
            chart.clone().set("frappe.web.extraEnvFrom", prefixed).refusal().contains("prefix"),
            "{helm}"
        );
        // Kubernetes takes all of these since 1.32.
        for name in ["my.name", "1st", "a b"] {
            chart.clone().set("frappe.extraEnv", json!([{"name": name, "value": "x"}])).objects();
        }
    }
}
