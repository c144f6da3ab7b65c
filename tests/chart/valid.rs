//! Helm and the API server's schemas have nothing to say, for every overlay; what is rendered is on record.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::helm::{Chart, OVERLAYS, containers, repository, tool};
use super::skip::skipped;

/// The oldest the chart names, a middle one, the newest known here.
const KUBERNETES: [&str; 3] = ["1.25", "1.31", "1.37"];
/// Of operators: no schema is known here.
const FOREIGN: [&str; 5] =
    ["ServiceMonitor", "PrometheusRule", "ScaledObject", "HTTPRoute", "ClientSettingsPolicy"];

/// The overlays, and one with everything on that they leave off.
fn variants(test: &str) -> Option<Vec<(&'static str, Chart)>> {
    let chart = Chart::new(test)?;
    let mut variants: Vec<_> = OVERLAYS.iter().map(|&name| (name, chart.clone().overlay(name))).collect();
    let everything = chart
        .overlay("prod")
        .set("frappe.autoscaling.web.enabled", json!(true))
        .set("frappe.autoscaling.worker.enabled", json!(true))
        .set("frappe.networkPolicy.egress.enabled", json!(true))
        .set("frappe.ingress.socketio", json!("socketio"))
        .set("frappe.db.caSecret", json!("postgres-ca"))
        .set("frappe.redis.urlSecret", json!("redis-urls"))
        .set("frappe.apps", json!([{"name": "erpnext", "branch": "version-15"}]))
        .set(
            "frappe.git",
            json!({"auth": {"git.example.com": {"token_file": "/run/secrets/git/token"}}, "secret": "git"}),
        )
        .set("global.imagePullSecrets", json!([{"name": "registry"}]));
    variants.push(("everything", of_pods(everything)));
    Some(variants)
}

/// Every value of pods, as a cluster would take it.
fn of_pods(chart: Chart) -> Chart {
    // An API server takes each name once in a pod.
    let named = |name: &str| json!({"name": name, "image": "registry.example.com/probe:1"});
    let values = json!({
        "extraEnv": [{"name": "SENTRY_DSN", "valueFrom": {"secretKeyRef": {"name": "sentry", "key": "dsn"}}}],
        "extraEnvFrom": [{"secretRef": {"name": "mail", "optional": true}}],
        "extraVolumes": [{"name": "fonts", "configMap": {"name": "fonts"}}],
        "extraVolumeMounts": [{"name": "fonts", "mountPath": "/usr/share/fonts/own", "readOnly": true}],
        "extraInitContainers": [named("before")], "extraContainers": [named("beside")],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}}},
        "nodeSelector": {"pool": "erp"}, "tolerations": [{"key": "erp", "operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"a": "b"}}}],
        "podLabels": {"team": "erp"}, "labels": {"team": "erp"}, "annotations": {"reloader.stakater.com/auto": "true"},
        "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["erp.example.com"]}],
        "dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.53"]}, "runtimeClassName": "gvisor",
        "priorityClassName": "erp",
    });
    let deployments =
        json!({"reports": {"pools": "reports=2", "autoscaling": {"enabled": true, "kind": "hpa"}}});
    let certificates =
        [("db.clientCertSecret", "pg"), ("redis.caSecret", "redis-ca"), ("web.tlsSecret", "web")];
    let chart = certificates
        .iter()
        .fold(chart, |chart, (path, name)| chart.set(&format!("frappe.{path}"), json!(name)));
    let chart = values
        .as_object()
        .expect("values")
        .iter()
        .fold(chart, |chart, (name, value)| chart.set(&format!("frappe.{name}"), value.clone()));
    chart.set("frappe.worker.deployments", deployments).set(
        "frappe.web.service",
        json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "nodePort": 30080}),
    )
}

#[test]
fn helm_lint_has_nothing_to_say() {
    let Some(variants) = variants("helm_lint_has_nothing_to_say") else { return };
    for (name, chart) in variants {
        let output = chart.lint();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// What no schema says: each container of a pod has a name of its own.
fn named_twice(pod: &Value) -> Option<&str> {
    let mut seen = BTreeSet::new();
    let mut names = containers(pod).into_iter().filter_map(|container| container["name"].as_str());
    names.find(|name| !seen.insert(*name))
}

#[test]
fn every_overlay_is_what_the_api_server_takes() {
    const TEST: &str = "every_overlay_is_what_the_api_server_takes";
    let (Some(variants), Some(validate)) = (variants(TEST), tool(TEST, "python/bin/kubernetes-validate"))
    else {
        return;
    };
    let check = |text: String, version: &str| {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
        std::fs::write(file.path(), text).expect("a file");
        Command::new(&validate)
            .args(["--strict", "--no-warn", "-k", version])
            .arg(file.path())
            .output()
            .expect("kubernetes-validate runs")
    };
    let mut foreign = 0;
    for (name, chart) in variants {
        for version in KUBERNETES {
            let objects = chart.clone().kubernetes(version).objects();
            for (role, pod) in objects.pods() {
                assert_eq!(named_twice(pod), None, "{name}, {role}");
            }
            let objects = objects.0;
            let (theirs, ours): (Vec<_>, Vec<_>) =
                objects.iter().partition(|object| FOREIGN.iter().any(|kind| object["kind"] == *kind));
            foreign += theirs.len();
            let text: String = ours.iter().map(|object| format!("---\n{object}\n")).collect();
            let output = check(text, version);
            let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{name} for {version}: {said}");
            assert_eq!(said.matches(" passed for ").count(), ours.len(), "{name} for {version}: {said}");
        }
    }
    skipped(TEST, format!("no schemas of {FOREIGN:?} here, {foreign} objects are not looked at"));
    // The control: it does look.
    let wrong =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}});
    assert!(!check(wrong.to_string(), KUBERNETES[1]).status.success(), "a wrong object is valid");
}

/// `UPDATE_SNAPSHOTS=1 cargo test --test chart` writes them anew.
#[test]
fn what_is_rendered_is_on_record() {
    let Some(variants) = variants("what_is_rendered_is_on_record") else { return };
    // dev and staging are the default with other figures; the dashboard is a file of its own.
    for (name, chart) in variants.into_iter().filter(|(name, _)| !["dev", "staging"].contains(name)) {
        let chart = chart.set("frappe.metrics.dashboard.enabled", json!(false));
        let path = repository().join(format!("tests/chart/snapshots/{name}.yaml"));
        let text = chart.text();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, text).expect("a snapshot");
            continue;
        }
        let record = std::fs::read_to_string(&path).expect("a snapshot");
        let differs = record.lines().zip(text.lines()).enumerate().find(|(_, (was, is))| was != is);
        assert!(
            record == text,
            "{name} differs from its record, first at {differs:?}: UPDATE_SNAPSHOTS=1 cargo test --test chart"
        );
    }
}
