//! The alerts as promtool evaluates them: what fires for whom, and what does not.

use std::process::Command;

use serde_json::{Value, json};

use super::helm::{Chart, Objects};
use super::skip::skipped;

/// The rules of release `erp` in namespace `cauldron`, as the chart renders them.
fn objects(test: &str) -> Option<Objects> {
    if Command::new("promtool").arg("--version").output().is_err() {
        skipped(test, "no promtool (Debian: prometheus)");
        return None;
    }
    let chart = Chart::new(test)?.set("frappe.metrics.prometheusRule.enabled", json!(true));
    Some(chart.set("frappe.worker.deployments", json!({"reports": {"pools": "reports=1"}})).objects())
}

/// A series that has one value all the time.
fn series(metric: &str, labels: &str, value: &str) -> Value {
    json!({"series": format!("{metric}{{namespace=\"cauldron\",{labels}}}"), "values": format!("{value}x180")})
}

/// The pods of a release, ready or not.
fn pods(release: &str, ready: &str) -> Vec<Value> {
    let of = |component: &str| {
        format!("release=\"{release}\",component=\"{component}\",pod=\"{release}-{component}\"")
    };
    let components = ["web", "worker", "worker-reports", "scheduler", "socketio"];
    components.iter().map(|component| series("cauldron_frappe_ready", &of(component), ready)).collect()
}

/// What fires after two hours, as `alert/release/component`, in the order of the names.
#[track_caller]
fn fires(objects: &Objects, series: &[Value], wanted: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let samples: Vec<Value> = wanted
        .iter()
        .map(|of| {
            let names = ["alertname", "release", "component"].iter().zip(of.split('/'));
            let labels: Vec<String> = names
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| format!("{name}=\"{value}\""))
                .collect();
            json!({"labels": format!("{{{}}}", labels.join(",")), "value": 1})
        })
        .collect();
    let question = "count by (alertname, release, component) (ALERTS{alertstate=\"firing\"})";
    let test = json!({"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [{"interval": "1m",
        "input_series": series, "promql_expr_test": [{"expr": question, "eval_time": "2h", "exp_samples": samples}]}]});
    let rules = &objects.get("PrometheusRule", "")["spec"];
    std::fs::write(folder.path().join("rules.json"), rules.to_string()).expect("a file");
    std::fs::write(folder.path().join("test.json"), test.to_string()).expect("a file");
    for words in [&["check", "rules", "rules.json"][..], &["test", "rules", "test.json"]] {
        let output =
            Command::new("promtool").args(words).current_dir(folder.path()).output().expect("promtool runs");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn a_healthy_release_fires_nothing() {
    let Some(objects) = objects("a_healthy_release_fires_nothing") else { return };
    let mut series = pods("erp", "1");
    for pod in ["a", "b"] {
        let of = |labels: &str| format!("release=\"erp\",pod=\"{pod}\"{labels}");
        // Each worker reports the number of the whole bench.
        series.push(self::series("cauldron_frappe_workers", &of(",state=\"idle\""), "3"));
        series.push(self::series("cauldron_frappe_workers", &of(",state=\"busy\""), "0"));
        series.push(self::series(
            "cauldron_frappe_scheduler_leader",
            &of(""),
            if pod == "a" { "1" } else { "0" },
        ));
    }
    fires(&objects, &series, &[]);
}

#[test]
fn pods_that_are_gone_fire_also_if_another_release_is_well() {
    let Some(objects) = objects("pods_that_are_gone_fire_also_if_another_release_is_well") else { return };
    let all = ["scheduler", "socketio", "web", "worker", "worker-reports"];
    let gone: Vec<String> =
        all.iter().map(|component| format!("CauldronFrappeGone/erp/{component}")).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    fires(&objects, &pods("shop", "1"), &gone);
    // One component of them.
    let mut series = pods("erp", "1");
    series.retain(|series| !series["series"].as_str().is_some_and(|name| name.contains("\"worker\"")));
    fires(&objects, &series, &["CauldronFrappeGone/erp/worker"]);
}

#[test]
fn a_dead_release_is_not_masked_by_a_healthy_one() {
    let Some(objects) = objects("a_dead_release_is_not_masked_by_a_healthy_one") else { return };
    let mut series = [pods("erp", "1"), pods("shop", "0")].concat();
    for (release, number) in [("erp", "2"), ("shop", "0")] {
        let labels = format!("release=\"{release}\",pod=\"{release}-worker\",state=\"idle\"");
        series.push(self::series("cauldron_frappe_workers", &labels, number));
        series.push(self::series(
            "cauldron_frappe_scheduler_leader",
            &format!("release=\"{release}\""),
            number,
        ));
    }
    let not_ready = ["scheduler", "socketio", "web", "worker", "worker-reports"];
    let mut wanted: Vec<String> =
        not_ready.iter().map(|component| format!("CauldronFrappeNotReady/shop/{component}")).collect();
    wanted.extend(["NoScheduler", "NoWorkers"].map(|name| format!("CauldronFrappe{name}/shop/")));
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    fires(&objects, &series, &wanted);
}

#[test]
fn a_failed_job_and_a_full_volume_fire_for_their_release_alone() {
    let Some(objects) = objects("a_failed_job_and_a_full_volume_fire_for_their_release_alone") else {
        return;
    };
    let job = |release: &str, condition: &str, value: &str| {
        let name = format!("{release}-cauldron-frappe-bootstrap-0123abcd");
        series("kube_job_failed", &format!("job_name=\"{name}\",condition=\"{condition}\""), value)
    };
    let volume = |release: &str, free: &str| {
        let labels = format!("persistentvolumeclaim=\"{release}-cauldron-frappe-data\"");
        [
            series("kubelet_volume_stats_available_bytes", &labels, free),
            series("kubelet_volume_stats_capacity_bytes", &labels, "100"),
        ]
    };
    let well = pods("erp", "1");
    let others = [job("shop", "true", "1"), job("erp", "true", "0"), job("erp", "false", "1")];
    fires(&objects, &[&well[..], &others, &volume("shop", "1"), &volume("erp", "11")].concat(), &[]);
    let failed = [job("erp", "true", "1")];
    let wanted = ["CauldronFrappeJobFailed//", "CauldronFrappeVolumeFull//"];
    fires(&objects, &[&well[..], &failed, &volume("erp", "9")].concat(), &wanted);
}

/// `created`: the age of the CronJob does not count while a verification is told.
#[test]
fn a_backup_that_is_not_verified_fires() {
    let Some(_) = objects("a_backup_that_is_not_verified_fires") else { return };
    let Some(chart) = Chart::new("") else { return };
    let objects = chart
        .set("frappe.metrics.prometheusRule.enabled", json!(true))
        .set("frappe.backup", json!({"enabled": true, "to": "s3:https://s3.test/erp", "passwordSecret": "p"}))
        .objects();
    let of = |release: &str, days: i64, passed: &str| {
        let labels = format!("release=\"{release}\",pod=\"a\"");
        [
            series("cauldron_frappe_backup_verified_age_seconds", &labels, &(days * 86_400).to_string()),
            series("cauldron_frappe_backup_verify_passed", &labels, passed),
        ]
    };
    let cronjob = |age_days: i64| {
        let labels = "cronjob=\"erp-cauldron-frappe-backup\"";
        [
            series("kube_cronjob_created", labels, &(-age_days * 86_400).to_string()),
            series("kube_cronjob_status_last_successful_time", labels, "0"),
        ]
    };
    let well = pods("erp", "1");
    let mut other = pods("shop", "1");
    other.extend(of("shop", 100, "0"));
    let quiet = [&well[..], &other, &cronjob(100), &of("erp", 34, "1")].concat();
    fires(&objects, &quiet, &[]);
    fires(&objects, &[&well[..], &cronjob(34)].concat(), &[]);
    let of_release = &["CauldronFrappeBackupNotVerified/erp/"][..];
    fires(&objects, &[&well[..], &cronjob(1), &of("erp", 36, "1")].concat(), of_release);
    fires(&objects, &[&well[..], &cronjob(1), &of("erp", 2, "0")].concat(), of_release);
    // None was ever verified.
    fires(&objects, &[&well[..], &cronjob(36)].concat(), &["CauldronFrappeBackupNotVerified//"]);
}

#[test]
fn what_may_be_scaled_to_nothing_is_not_missed() {
    let Some(_) = objects("what_may_be_scaled_to_nothing_is_not_missed") else { return };
    let Some(chart) = Chart::new("") else { return };
    let objects = chart
        .set("frappe.metrics.prometheusRule.enabled", json!(true))
        .set("frappe.autoscaling.worker", json!({"enabled": true, "minReplicas": 0}))
        .set("frappe.metrics.prometheusRule.runbookBase", json!("https://wiki.example.com/docs/"))
        .objects();
    let mut series = pods("erp", "1");
    series.retain(|series| !series["series"].as_str().is_some_and(|name| name.contains("worker")));
    fires(&objects, &series, &[]);
    let rules = objects.get("PrometheusRule", "").to_string();
    assert!(rules.contains("\"runbook_url\":\"https://wiki.example.com/docs/3am.md\""));
    assert!(!rules.contains("\"runbook_url\":\"docs/"), "not every link has the base");
}
