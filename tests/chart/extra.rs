//! `frappe.extraEnv` against what the chart sets itself: a variable is there once, as the user has it.

use serde_json::{Value, json};

use super::environment::{bench, print_config, variables};
use super::helm::{Chart, Objects, container, containers, variable};

const HELMS: [&str; 2] = ["helm", "helm3"];

fn charts(test: &str, extra: &Value) -> Vec<Chart> {
    let charts = HELMS.iter().filter_map(|helm| Chart::by(test, helm));
    charts.map(|chart| chart.set("frappe.extraEnv", extra.clone())).collect()
}

/// Every container of every pod, and how often it has a variable.
fn times(objects: &Objects, name: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (role, pod) in objects.pods() {
        for container in containers(pod) {
            let list = container["env"].as_array().expect("variables");
            found.push((role.clone(), list.iter().filter(|entry| entry["name"] == name).count()));
        }
    }
    found
}

#[test]
fn a_users_variable_replaces_the_charts_in_every_container() {
    const TEST: &str = "a_users_variable_replaces_the_charts_in_every_container";
    let secret = json!({"secretKeyRef": {"key": "grace", "name": "own"}});
    let extra = json!([
        {"name": "DB_HOST", "value": "theirs"},
        {"name": "HOME", "value": "/home/frappe"},
        {"name": "CAULDRON_GRACE", "valueFrom": secret},
        {"name": "DB_PASSWORD", "value": "plain"},
        {"name": "CLIENT_MAX_BODY_SIZE", "value": "1g"},
        {"name": "SENTRY_DSN", "value": "https://sentry.example.com"},
    ]);
    for chart in charts(TEST, &extra) {
        let objects = chart.objects();
        for entry in extra.as_array().expect("entries") {
            let name = entry["name"].as_str().expect("a name");
            for (role, times) in times(&objects, name) {
                assert_eq!(times, 1, "{role}: {name}");
            }
            for (role, pod) in objects.pods() {
                let given = variable(container(pod), name).expect("the variable");
                let wanted = entry["value"].as_str().map_or(entry["valueFrom"].to_string(), str::to_owned);
                assert_eq!(given, wanted, "{role}: {name}");
            }
        }
    }
}

/// The bootstrap's own names, with the administrators' logins.
#[test]
fn inline_the_leaders_variables_are_replaced_too() {
    const TEST: &str = "inline_the_leaders_variables_are_replaced_too";
    let extra =
        json!([{"name": "ADMIN_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "own", "key": "a"}}}]);
    for chart in charts(TEST, &extra) {
        for mode in ["job", "inline"] {
            let objects = chart.clone().set("frappe.bootstrap.mode", json!(mode)).objects();
            assert!(times(&objects, "ADMIN_PASSWORD").iter().all(|(_, times)| *times == 1), "{mode}");
            assert!(variable(container(objects.pod("web")), "ADMIN_PASSWORD").expect("it").contains("own"));
        }
    }
}

/// The binary refuses two names of one setting: the user's is the one that stays.
#[test]
fn other_names_of_a_setting_replace_the_charts() {
    const TEST: &str = "other_names_of_a_setting_replace_the_charts";
    let folder = bench();
    let file = folder.path().join("value");
    std::fs::write(&file, "5432").expect("a file");
    for (name, value, gone) in [
        ("REDIS_CACHE", "redis://cache:6379/0", "REDIS_CACHE_HOST"),
        ("REDIS_QUEUE", "redis://queue:6379/1", "REDIS_QUEUE_HOST"),
        ("DB_PORT_FILE", file.to_str().expect("a path"), "DB_PORT"),
        ("FORWARDED_ALLOW_IPS", "*", "CAULDRON_TRUSTED_PROXIES"),
        ("WORKER_QUEUES", "short", "CAULDRON_POOL"),
        ("PGPASSWORD", "plain", "DB_PASSWORD"),
    ] {
        for chart in charts(TEST, &json!([{"name": name, "value": value}])) {
            let objects = chart.objects();
            assert!(times(&objects, gone).iter().all(|(_, times)| *times == 0), "{name} beside {gone}");
            for (role, pod) in objects.pods() {
                let (code, said) =
                    print_config(folder.path(), std::slice::from_ref(&role), &variables(container(pod)));
                assert_eq!(code, 0, "{name}, {role}: {said}");
            }
        }
    }
}

/// Text is what a container takes; the last of two entries counts, as in Kubernetes.
#[test]
fn numbers_become_text_and_the_last_of_two_counts() {
    const TEST: &str = "numbers_become_text_and_the_last_of_two_counts";
    let extra = json!([
        {"name": "A", "value": "first"}, {"name": "B", "value": 20_240_101}, {"name": "C", "value": true},
        {"name": "A", "value": "$(B)"},
    ]);
    for chart in charts(TEST, &extra) {
        let objects = chart.objects();
        let worker = container(objects.pod("worker"));
        for (name, value) in [("A", "$(B)"), ("B", "20240101"), ("C", "true")] {
            assert_eq!(variable(worker, name).expect("it"), value);
        }
        assert!(times(&objects, "A").iter().all(|(_, times)| *times == 1));
    }
}

/// Labels and annotations of the values against the chart's: one key is there once, or nothing could be rendered strictly.
#[test]
fn keys_that_the_chart_sets_are_there_once() {
    const TEST: &str = "keys_that_the_chart_sets_are_there_once";
    for helm in HELMS {
        let Some(chart) = Chart::by(TEST, helm) else { return };
        let objects = chart
            .overlay("prod")
            .set("global.labels", json!({"app.kubernetes.io/component": "x", "helm.sh/chart": "x"}))
            .set("frappe.podAnnotations", json!({"checksum/config": "x", "team": "erp"}))
            .set("frappe.persistence.annotations", json!({"helm.sh/resource-policy": "delete"}))
            .set(
                "frappe.service.annotations",
                json!({"traefik.ingress.kubernetes.io/service.sticky.cookie": "false"}),
            )
            .set(
                "frappe.metrics.serviceMonitor.labels",
                json!({"app.kubernetes.io/name": "x", "release": "p"}),
            )
            .objects();
        let claim = objects.get("PersistentVolumeClaim", "");
        assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
        assert_eq!(objects.pod("web")["metadata"]["annotations"]["team"], "erp");
        let monitor = &objects.get("ServiceMonitor", "")["metadata"]["labels"];
        assert_eq!(
            (&monitor["release"], &monitor["app.kubernetes.io/name"]),
            (&json!("p"), &json!("cauldron-frappe"))
        );
    }
}
