//! The contract of the chart that this one replaces: a values file of 0.1.0 works, and an upgrade finds its own objects.

use std::path::Path;

use serde_json::{Value, json};

use super::helm::{Chart, Objects, container, containers, name, repository, variable};

fn old(test: &str) -> Option<Chart> {
    let file = repository().join("tests/chart/values-0.1.0.yaml");
    Some(Chart::new(test)?.values(Path::new(&file)))
}

#[test]
fn an_upgrade_finds_its_own_objects() {
    let Some(chart) = old("an_upgrade_finds_its_own_objects") else { return };
    let objects = chart.objects();
    for role in ["web", "worker", "scheduler", "socketio"] {
        let deployment = objects.get("Deployment", &format!("erp-cauldron-frappe-{role}"));
        // A Deployment's selector can never be changed.
        let selector = json!({
            "app.kubernetes.io/name": "cauldron-frappe",
            "app.kubernetes.io/instance": "erp",
            "app.kubernetes.io/component": role,
        });
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], selector);
    }
    let claim = objects.get("PersistentVolumeClaim", "erp-cauldron-frappe-data");
    assert_eq!(claim["spec"]["storageClassName"], "nfs");
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    assert_eq!(name(objects.get("Ingress", "")), "erp-cauldron-frappe-web");
    assert_eq!(objects.get("Secret", "erp-cauldron-frappe-secret")["data"]["admin-password"], "YWRtaW4=");
    assert_eq!(claim["metadata"]["labels"]["team"], "erp");
    assert_eq!(claim["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
}

#[test]
fn its_values_reach_the_roles() {
    let Some(chart) = old("its_values_reach_the_roles") else { return };
    let objects = chart.objects();
    let web = container(objects.pod("web"));
    let given = |name: &str| variable(web, name).unwrap_or_else(|| panic!("no {name}"));
    for (name, value) in [
        ("SITE_NAME", "erp.example.com"),
        ("DB_HOST", "pg.infra"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "erp"),
        ("REDIS_SOCKETIO_HOST", "redis-socketio"),
        ("REDIS_PORT", "6380"),
        ("SOCKETIO_PORT", "9001"),
        ("SOCKETIO", "erp-cauldron-frappe-socketio:9001"),
        ("CAULDRON_SITE_URL", "https://erp.example.com"),
    ] {
        assert_eq!(given(name), value, "{name}");
    }
    let apps: Value = serde_json::from_str(&given("CAULDRON_APPS")).expect("JSON");
    let lore = json!({"name": "cauldron_lore", "url": "https://git.example.com:8443/cauldron_lore.git", "branch": "main"});
    assert_eq!(
        apps,
        json!([
            {"name": "erpnext", "branch": "version-15"},
            {"name": "hrms", "branch": "version-15"},
            lore,
        ])
    );
    assert_eq!(
        variable(container(objects.pod("worker")), "CAULDRON_POOL").unwrap(),
        "default,short,reports=1 long=1"
    );
    assert_eq!(web["livenessProbe"]["initialDelaySeconds"], 60);
    assert!(web["readinessProbe"].is_null(), "it was switched off");
    assert_eq!(web["resources"]["limits"]["memory"], "4Gi");
    assert_eq!(objects.get("Deployment", "-worker")["spec"]["replicas"], 3);
    assert_eq!(objects.get("Service", "-web")["spec"]["ports"][0]["port"], 8080);
}

/// What could not work in 0.1.0 is not carried on; what has no effect is told.
#[test]
fn its_faults_do_not() {
    let Some(chart) = old("its_faults_do_not") else { return };
    let objects = chart.objects();
    for (role, pod) in objects.pods() {
        for container in containers(pod) {
            // The old init containers' shell.
            assert!(container["command"].is_null(), "{role}: {}", container["command"]);
            assert_eq!(container["image"], "registry.example.com/erpnext:v15", "{role}");
        }
    }
    let ingress = objects.get("Ingress", "");
    let annotations = ingress["metadata"]["annotations"].as_object().expect("annotations");
    assert!(!annotations.contains_key("kubernetes.io/ingress.class"), "refused beside ingressClassName");
    assert_eq!(objects.of_kind("ConfigMap").count(), 0, "scripts were in it");
    let notes = chart.notes();
    for told in ["adminPassword is in the release", "developerMode has no effect"] {
        assert!(notes.contains(told), "{told}: {notes}");
    }
}

#[test]
fn live_events_are_routed() {
    let Some(chart) = Chart::new("live_events_are_routed") else { return };
    let backend = |objects: &Objects, path: &str| {
        let paths = objects.get("Ingress", "")["spec"]["rules"][0]["http"]["paths"].clone();
        let found = paths.as_array().unwrap().iter().find(|entry| entry["path"] == path);
        found.map(|entry| entry["backend"]["service"]["name"].as_str().unwrap().to_owned())
    };
    let through_web = chart.objects();
    assert_eq!(backend(&through_web, "/").unwrap(), "erp-cauldron-frappe-web");
    assert_eq!(backend(&through_web, "/socket.io"), None, "the front takes it");
    let straight = chart.set("frappe.ingress.socketio", json!("socketio")).objects();
    assert_eq!(backend(&straight, "/socket.io").unwrap(), "erp-cauldron-frappe-socketio");
    assert_eq!(straight.get("Service", "-socketio")["spec"]["sessionAffinity"], "ClientIP");
    assert_eq!(straight.get("Ingress", "")["spec"]["rules"][0]["host"], "cauldron.local", "the site's name");
}

/// The lists by which KEDA scales.
fn lists(objects: &Objects) -> Vec<String> {
    let triggers = objects.get("ScaledObject", "-worker")["spec"]["triggers"].as_array().expect("triggers");
    let list = |trigger: &Value| trigger["metadata"]["listName"].as_str().expect("a list").to_owned();
    triggers.iter().map(list).collect()
}

/// Only the leader makes the id of a new installation; a given one is every pod's.
#[test]
fn the_bench_id_is_given_to_the_pods_that_need_it() {
    let Some(chart) = Chart::new("the_bench_id_is_given_to_the_pods_that_need_it") else { return };
    let ids = |chart: &Chart, name: &str| -> Vec<(String, String)> {
        let objects = chart.objects();
        let of_pod = |(role, pod): (String, &Value)| Some((role, variable(container(pod), name)?));
        objects.pods().into_iter().filter_map(of_pod).collect()
    };
    let default = ids(&chart, "CAULDRON_BENCH_ID_IF_NEW");
    assert_eq!(default, [("bootstrap".to_owned(), "cauldron.erp-cauldron-frappe".to_owned())]);
    assert_eq!(ids(&chart, "CAULDRON_BENCH_ID"), []);
    let given = chart.clone().set("frappe.bench.id", json!(15));
    assert_eq!(ids(&given, "CAULDRON_BENCH_ID_IF_NEW"), []);
    let of_all = ids(&given, "CAULDRON_BENCH_ID");
    assert!(of_all.len() == 5 && of_all.iter().all(|(_, id)| id == "15"), "{of_all:?}");
    let long = chart.clone().set("fullnameOverride", json!("x".repeat(63))).namespace(&"n".repeat(63));
    let [(_, id)] = &ids(&long, "CAULDRON_BENCH_ID_IF_NEW")[..] else { panic!("not one leader") };
    assert!(id.len() == 100 && id.starts_with("nnn"), "{id}");
    assert!(chart.set("frappe.bench.id", json!("a:b")).refusal().contains("/frappe/bench/id"));
}

#[test]
fn a_worker_is_scaled_by_the_keys_that_rq_uses() {
    let Some(chart) = Chart::new("a_worker_is_scaled_by_the_keys_that_rq_uses") else { return };
    let chart = chart.set("frappe.autoscaling.worker.enabled", json!(true));
    let objects = chart.objects();
    let queues = |id: &str| ["default", "short", "long"].map(|queue| format!("rq:queue:{id}:{queue}"));
    // docs/roles.md#bench-id: an installation from before 0.2.0 has the id of its path, a new one that of its release.
    let [old, new] = ["home-frappe-frappe-bench", "cauldron.erp-cauldron-frappe"].map(queues);
    assert_eq!(lists(&objects), [old, new].concat());
    let given = chart.clone().set("frappe.bench.id", json!("shop")).objects();
    assert_eq!(lists(&given), queues("shop"));
    assert!(objects.get("Deployment", "-worker")["spec"]["replicas"].is_null(), "two owners of one figure");
    let hpa = chart.set("frappe.autoscaling.worker.kind", json!("hpa")).objects();
    let metric = &hpa.get("HorizontalPodAutoscaler", "-worker")["spec"]["metrics"][0]["external"]["metric"];
    assert_eq!(metric["name"], "cauldron_frappe_queue_jobs_waiting");
}
