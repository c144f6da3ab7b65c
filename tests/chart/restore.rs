//! The Job of a restore: what it runs, what it is given, and what beside it must not run.

use serde_json::{Value, json};

use super::environment::{bench, is_known, print_config, variables};
use super::helm::{Chart, container, name, variable};

const ID: &str = "20261130T014800Z-1a2b3c";

fn with_backup(chart: &Chart) -> Chart {
    let backup =
        json!({"to": "s3:https://s3.example.com/erp", "passwordSecret": "p", "credentialsSecret": "c"});
    chart.clone().set("frappe.backup", backup)
}

fn words(pod: &Value) -> Vec<String> {
    let words = container(pod)["args"].as_array().expect("words");
    words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

#[test]
fn a_restore_is_one_job_that_the_binary_takes() {
    let Some(chart) = Chart::new("a_restore_is_one_job_that_the_binary_takes") else { return };
    let plain = with_backup(&chart);
    assert_eq!(plain.objects().of_kind("Job").count(), 1, "none without from");
    let chart = plain.clone().set("frappe.restore", json!({"from": ID, "confirm": "7x", "only": "files"}));
    let objects = chart.objects();
    let pod = objects.pod("restore");
    assert_eq!(words(pod), ["restore", ID, "--only", "files", "--confirm", "7x"]);
    let bench = bench();
    let password = bench.path().join("password");
    std::fs::write(&password, "of-the-repository").expect("a password");
    let mut given = variables(container(pod));
    for (name, value) in given.iter_mut().filter(|(name, _)| name.starts_with("CAULDRON_")) {
        assert!(is_known(name.trim_end_matches("_FILE")), "{name} is not in docs/configuration.md");
        if name == "CAULDRON_BACKUP_PASSWORD_FILE" {
            *value = password.display().to_string();
        }
    }
    let (code, said) = print_config(bench.path(), &words(pod), &given);
    assert_eq!(code, 0, "{said}");
    for name in
        ["CAULDRON_BACKUP_TO", "CAULDRON_BACKUP_PASSWORD_FILE", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD"]
    {
        assert!(variable(container(pod), name).is_some(), "{name}");
    }
    // It waits as long as the roles drain.
    assert_eq!(variable(container(pod), "CAULDRON_DRAIN").as_deref(), Some("5s"));
    let job = objects.of_kind("Job").find(|job| name(job).contains("-restore-")).expect("the Job");
    assert!(job["metadata"]["annotations"].is_null(), "a hook would be made again by each upgrade");
    assert!(job["spec"]["ttlSecondsAfterFinished"].is_null(), "GitOps would make a removed Job again");
    assert_eq!(job["spec"]["template"]["spec"]["restartPolicy"], "Never");
    // No role gets what the Job has.
    for (role, pod) in objects.pods().into_iter().filter(|(role, _)| role != "restore") {
        assert_eq!(variable(container(pod), "CAULDRON_BACKUP_PASSWORD_FILE"), None, "{role}");
    }
    // The bootstrap Job is as it was: an upgrade makes no other one.
    let bootstrap = |chart: &Chart| {
        let objects = chart.objects();
        objects.of_kind("Job").map(name).find(|name| name.contains("-bootstrap-")).expect("a Job").to_owned()
    };
    assert_eq!(bootstrap(&chart), bootstrap(&plain));
}

/// What can never be changed in a Job is in its name; another request is another Job.
#[test]
fn each_request_is_a_job_of_its_own() {
    let Some(chart) = Chart::new("each_request_is_a_job_of_its_own") else { return };
    let job = |restore: Value, changes: &[(&str, Value)]| {
        let chart = with_backup(&chart).set("frappe.restore", restore);
        let chart = changes.iter().fold(chart, |chart, (path, value)| chart.set(path, value.clone()));
        let objects = chart.objects();
        objects.of_kind("Job").map(name).find(|name| name.contains("-restore-")).expect("a Job").to_owned()
    };
    let one = json!({"from": ID, "confirm": "7x"});
    let first = job(one.clone(), &[]);
    assert_eq!(first, job(one.clone(), &[("frappe.replicas.web", json!(2))]));
    for other in [
        job(json!({"from": "20261129T014800Z-1a2b3c", "confirm": "7x"}), &[]),
        job(json!({"from": ID, "confirm": "7y"}), &[]),
        job(json!({"from": ID, "confirm": "7x", "only": "database"}), &[]),
        job(one, &[("frappe.image.tag", json!("v2"))]),
    ] {
        assert_ne!(first, other);
    }
}

/// A bootstrap would create a site, and the restore would be refused.
#[test]
fn nobody_bootstraps_while_an_empty_installation_is_restored() {
    let Some(chart) = Chart::new("nobody_bootstraps_while_an_empty_installation_is_restored") else { return };
    for mode in ["job", "inline"] {
        let chart = with_backup(&chart).set("frappe.bootstrap.mode", json!(mode));
        let leads = |chart: &Chart| {
            let objects = chart.objects();
            let leads =
                |pod: &Value| variable(container(pod), "CAULDRON_BOOTSTRAP").as_deref() == Some("lead");
            objects.pods().into_iter().filter(|(_, pod)| leads(pod)).map(|(role, _)| role).collect::<Vec<_>>()
        };
        let new = chart.clone().set("frappe.restore", json!({"from": "newest", "confirm": "none"}));
        assert_eq!(leads(&new), [""; 0], "{mode}");
        assert!(new.notes().contains("there is no bootstrap"), "{}", new.notes());
        let there = chart.set("frappe.restore", json!({"from": ID, "confirm": "7x"}));
        assert_eq!(leads(&there).len(), 1, "{mode}");
        assert!(!there.notes().contains("there is no bootstrap"));
    }
}

#[test]
fn a_restore_that_cannot_work_is_refused() {
    let Some(chart) = Chart::new("a_restore_that_cannot_work_is_refused") else { return };
    let backed = with_backup(&chart);
    for (chart, restore, told) in [
        (&chart, json!({"from": ID, "confirm": "7x"}), "frappe.backup.to is not set"),
        (&backed, json!({"from": ID}), "frappe.restore.confirm is not"),
        (&backed, json!({"confirm": "7x"}), "frappe.restore.from is not"),
        (&backed, json!({"from": "newest", "confirm": "7x"}), "frappe.restore.from is newest"),
        (&backed, json!({"from": ID, "confirm": "7x", "only": "key"}), "/frappe/restore/only"),
        (&backed, json!({"from": "--undo", "confirm": "7x"}), "/frappe/restore/from"),
    ] {
        let refusal = chart.clone().set("frappe.restore", restore).refusal();
        assert!(refusal.contains(told), "{refusal}");
    }
    let folder = chart.set("frappe.backup", json!({"to": "/b", "passwordSecret": "p"}));
    let refusal = folder.set("frappe.restore", json!({"from": ID, "confirm": "7x"})).refusal();
    assert!(refusal.contains("which ends with the pod"), "{refusal}");
}

/// Its way to the storage server is that of the backups.
#[test]
fn the_job_reaches_the_repository_under_a_network_policy() {
    let Some(chart) = Chart::new("the_job_reaches_the_repository_under_a_network_policy") else { return };
    let chart = with_backup(&chart)
        .set("frappe.networkPolicy", json!({"enabled": true, "egress": {"enabled": true}}))
        .set("frappe.restore", json!({"from": ID, "confirm": "7x"}));
    let objects = chart.objects();
    let policy = objects.get("NetworkPolicy", "-backup");
    assert_eq!(policy["spec"]["podSelector"]["matchExpressions"][0]["values"], json!(["backup", "restore"]));
    assert_eq!(policy["spec"]["egress"][0]["ports"][0]["port"], 443);
}
