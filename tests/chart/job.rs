//! The bootstrap Job: what it retries, what fails it at once, and how it comes back.

use serde_json::json;

use super::helm::{Chart, IMAGE, chart, container, name, repository};
use super::old_release::Release;

#[test]
fn what_no_retry_corrects_fails_the_job_at_once() {
    let Some(chart) = Chart::new("what_no_retry_corrects_fails_the_job_at_once") else { return };
    let old = chart.clone().kubernetes("1.28").objects();
    assert!(old.get("Job", "")["spec"]["podFailurePolicy"].is_null(), "Helm would refuse it there");
    let objects = chart.kubernetes("1.29").objects();
    assert_ne!(name(objects.get("Job", "")), name(old.get("Job", "")), "a policy can never be changed");
    let spec = &objects.get("Job", "")["spec"];
    let rules = spec["podFailurePolicy"]["rules"].as_array().expect("rules");
    let failing = &rules.iter().find(|rule| rule["action"] == "FailJob").expect("a rule")["onExitCodes"];
    let operations = std::fs::read_to_string(repository().join("docs/operations.md")).expect("operations.md");
    let row = operations.lines().find(|line| line.contains("a Job fails at once")).expect("its row");
    let told = row.split('|').nth(1).expect("a cell").split(',').map(|code| code.trim().parse::<u64>().ok());
    let told: Option<Vec<u64>> = told.collect();
    assert_eq!(json!(told), failing["values"]);
    assert_eq!(
        (&failing["operator"], &failing["containerName"]),
        (&json!("In"), &container(objects.pod("bootstrap"))["name"])
    );
    // The API server takes such a policy with pods that are not restarted in place only.
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Never");
    let ignored = rules.iter().find(|rule| rule["action"] == "Ignore").expect("a rule");
    assert_eq!(ignored["onPodConditions"][0]["type"], "DisruptionTarget");
}

/// After the correction: the Job is deleted, and an upgrade with the same values creates it again.
#[test]
fn an_upgrade_creates_a_deleted_job_again() {
    const TEST: &str = "an_upgrade_creates_a_deleted_job_again";
    for helm in ["helm", "helm3"] {
        let Some(release) = Release::none(TEST, helm) else { return };
        let path = chart();
        let path = path.to_str().expect("a path");
        let image = format!("--set=frappe.image.repository={IMAGE}");
        release.does(&["install", "erp", path, "--disable-openapi-validation", &image]);
        let jobs = || {
            release
                .cluster
                .objects()
                .into_iter()
                .filter(|object| object.starts_with("Job/"))
                .collect::<Vec<_>>()
        };
        let [job] = &jobs()[..] else { panic!("not one Job") };
        release.cluster.delete("jobs", job.trim_start_matches("Job/"));
        assert!(jobs().is_empty());
        release.does(&["upgrade", "erp", path, "--reuse-values", "--disable-openapi-validation"]);
        assert_eq!(jobs(), std::slice::from_ref(job), "{helm}");
    }
}
