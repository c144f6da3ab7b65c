//! Where text is meant, a number of the values file is text; and names stay apart at every length.

use std::collections::BTreeSet;

use serde_json::json;

use super::helm::{Chart, IMAGE, container, name, variable};

const HELMS: [&str; 2] = ["helm", "helm3"];

/// As a values file has them: Helm reads every number of it as a float.
fn from_file(chart: Chart, yaml: &str) -> Chart {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file").into_temp_path();
    std::fs::write(&file, yaml).expect("a file");
    let chart = chart.values(&file);
    // Read again by every rendering, and left to the folder for temporary files.
    let _ = file.keep();
    chart
}

#[test]
fn a_tag_may_be_a_number() {
    for helm in HELMS {
        let Some(chart) = Chart::by("a_tag_may_be_a_number", helm) else { return };
        for (tag, text) in [
            ("15", "15"),
            ("20240101", "20240101"),
            ("1000000", "1000000"),
            ("15.2", "15.2"),
            ("\"1.10\"", "1.10"),
        ] {
            let objects = from_file(chart.clone(), &format!("frappe: {{image: {{tag: {tag}}}}}")).objects();
            for (role, pod) in objects.pods() {
                assert_eq!(container(pod)["image"], format!("{IMAGE}:{text}"), "{role}");
            }
        }
    }
}

#[test]
fn other_texts_may_be_numbers_too() {
    for helm in HELMS {
        let Some(chart) = Chart::by("other_texts_may_be_numbers_too", helm) else { return };
        let objects = from_file(
            chart,
            "global: {clusterName: 1000000, labels: {cost-center: 4711000}}
frappe:
  site: {adminPassword: 12345678}
  db: {name: 20240101, port: '6432'}
  redis: {port: '6380'}
  service: {webPort: '8080', annotations: {team: 7}}
  persistence: {size: 10737418240}
  appsUpdate: 20240101
  apps: [{name: erpnext, branch: 15}]
  web: {maxBodySize: 52428800, gunicornTimeout: 1000000}
  worker: {maxMemory: 536870912}
  ingress: {annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: 3600, x: true}}
  podAnnotations: {revision: 1000000}
  nodeSelector: {pool: 3}",
        )
        .objects();
        let given = |role: &str, name: &str| variable(container(objects.pod(role)), name).expect("it");
        for (role, name, value) in [
            ("web", "CAULDRON_INSTANCE", "1000000/cauldron/erp"),
            ("web", "DB_NAME", "20240101"),
            ("web", "DB_PORT", "6432"),
            ("web", "REDIS_PORT", "6380"),
            ("web", "CAULDRON_APPS_UPDATE", "20240101"),
            ("web", "CLIENT_MAX_BODY_SIZE", "52428800"),
            ("web", "GUNICORN_TIMEOUT", "1000000"),
            ("worker", "CAULDRON_MAX_MEMORY", "536870912"),
        ] {
            assert_eq!(given(role, name), value, "{name}");
        }
        assert!(given("web", "CAULDRON_APPS").contains("\"branch\":\"15\""));
        assert_eq!(objects.get("Secret", "")["data"]["admin-password"], "MTIzNDU2Nzg=");
        assert_eq!(objects.get("Service", "-web")["spec"]["ports"][0]["port"], 8080);
        assert_eq!(objects.get("Service", "-web")["metadata"]["annotations"]["team"], "7");
        let claim = objects.get("PersistentVolumeClaim", "");
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], 10_737_418_240_u64);
        assert_eq!(claim["metadata"]["labels"]["cost-center"], "4711000");
        let ingress = &objects.get("Ingress", "")["metadata"]["annotations"];
        assert_eq!(ingress["nginx.ingress.kubernetes.io/proxy-read-timeout"], "3600");
        assert_eq!(ingress["x"], "true");
        let pod = objects.pod("web");
        assert_eq!(pod["metadata"]["annotations"]["revision"], "1000000");
        assert_eq!(pod["spec"]["nodeSelector"]["pool"], "3");
    }
}

/// A number keeps 15 digits: what has more would be another password, and is refused without being shown.
#[test]
fn a_number_that_is_too_long_is_refused() {
    for helm in HELMS {
        let Some(chart) = Chart::by("a_number_that_is_too_long_is_refused", helm) else { return };
        for (value, path) in [
            ("site: {adminPassword: 12345678901234567890}", "frappe.site.adminPassword"),
            ("image: {tag: 20240101123456789012}", "frappe.image.tag"),
        ] {
            let refusal = from_file(chart.clone(), &format!("frappe: {{{value}}}")).refusal();
            assert!(refusal.contains(path) && refusal.contains("put it in quotes"), "{refusal}");
            assert!(!refusal.contains("1234567890"), "{refusal}");
        }
    }
}

/// Helm allows releases of 53 characters. Two objects of one kind and name are one.
#[test]
fn names_stay_apart_at_every_length() {
    let Some(chart) = Chart::new("names_stay_apart_at_every_length") else { return };
    let chart = chart.overlay("prod").set("frappe.site.adminPassword", json!("x"));
    let mut all = BTreeSet::new();
    for release in (1..=53).map(|length| "a".repeat(length)).chain([format!("{}b", "a".repeat(52))]) {
        let objects = chart.clone().release(&release).objects();
        for object in &objects.0 {
            let (kind, name) = (object["kind"].as_str().expect("a kind"), name(object));
            assert!(name.len() <= 63 || kind == "Secret", "{kind} {name}");
            assert!(!name.ends_with('-'), "{kind} {name}");
            assert!(all.insert((kind.to_owned(), name.to_owned())), "two {kind} {name} ({release})");
        }
        let web = objects.pod("web");
        let socketio = variable(container(web), "SOCKETIO").expect("it");
        let host = socketio.split(':').next().expect("a host");
        assert!(objects.of_kind("Service").any(|service| name(service) == host), "no Service {host}");
    }
    // As long as 0.1.0 kept them apart, they are what it called them.
    let objects = chart.release(&"a".repeat(44)).objects();
    let start = format!("{}-cauldron-frappe", "a".repeat(44));
    for end in ["-we", "-wo", "-sc", "-so"] {
        objects.get("Deployment", &format!("{start}{end}"));
    }
}
