//! The CronJob that verifies backups: what it runs, and what it cannot reach.

use serde_json::{Value, json};

use super::helm::{Chart, container, variable};

fn verified(chart: &Chart, egress: Value) -> Chart {
    chart.clone().set(
        "frappe.backup",
        json!({"enabled": true, "to": "s3:https://s3.example.com/erp", "passwordSecret": "p", "credentialsSecret": "c",
            "verify": {"enabled": true}, "egress": egress}),
    )
}

fn there() -> Value {
    json!([{"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 443}]}])
}

#[test]
fn it_has_scratch_and_the_repository_and_no_volume_of_the_site() {
    let Some(chart) = Chart::new("it_has_scratch_and_the_repository_and_no_volume_of_the_site") else {
        return;
    };
    let objects = verified(&chart, there()).objects();
    let job = objects.get("CronJob", "-verify");
    assert_eq!(job["spec"]["concurrencyPolicy"], "Forbid");
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(container(pod)["args"], json!(["backup", "verify"]));
    assert_eq!(variable(container(pod), "CAULDRON_SCRATCH_DIR").as_deref(), Some("/scratch"));
    assert!(variable(container(pod), "CAULDRON_BACKUP_TO").is_some());
    assert_eq!(variable(container(pod), "DB_PASSWORD"), None);
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    assert!(volumes.iter().all(|volume| volume["persistentVolumeClaim"].is_null()), "{volumes:?}");
    let scratch = volumes.iter().find(|volume| volume["name"] == "scratch").expect("scratch");
    assert_eq!(scratch["emptyDir"]["sizeLimit"], "20Gi");
    // The control: backups are taken with the volume.
    let backup = &objects.get("CronJob", "-backup")["spec"]["jobTemplate"]["spec"]["template"];
    assert!(backup["spec"]["volumes"].to_string().contains("persistentVolumeClaim"));
}

#[test]
fn another_server_comes_from_a_secret_and_is_reached() {
    let Some(chart) = Chart::new("another_server_comes_from_a_secret_and_is_reached") else { return };
    let url = "CAULDRON_SCRATCH_DB_URL_FILE";
    let pod_of = |chart: &Chart| {
        chart.objects().get("CronJob", "-verify")["spec"]["jobTemplate"]["spec"]["template"].clone()
    };
    let plain = verified(&chart, there());
    assert_eq!(variable(container(&pod_of(&plain)), url), None);
    let elsewhere = plain
        .set("frappe.backup.to", json!("/backups/erp"))
        .set("frappe.backup.claim", json!("backups"))
        .set("frappe.backup.verify.scratchDbUrlSecret", json!("scratch"));
    let pod = pod_of(&elsewhere);
    assert_eq!(variable(container(&pod), url).as_deref(), Some("/run/secrets/scratch/url"));
    let mounts = container(&pod)["volumeMounts"].as_array().expect("mounts");
    assert!(
        mounts
            .contains(&json!({"name": "scratch-db", "mountPath": "/run/secrets/scratch", "readOnly": true}))
    );
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    let secret = volumes.iter().find(|volume| volume["name"] == "scratch-db").expect("the Secret");
    assert_eq!(secret["secret"]["secretName"], "scratch");
    // A repository in a folder needs no way out; the server does.
    let objects = elsewhere.objects();
    let policy = &objects.get("NetworkPolicy", "-verify")["spec"];
    assert_eq!(policy["egress"].as_array().expect("rules").last(), there().get(0));
    let refusal = elsewhere.set("frappe.backup.egress", json!([{"ports": [{"port": 5432}]}])).refusal();
    assert!(refusal.contains("scratchDbUrlSecret"), "{refusal}");
    // The pods that take backups get no such login.
    let backup = &objects.get("CronJob", "-backup")["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(variable(container(backup), url), None);
}

/// What several policies allow is added: no other policy may select these pods.
#[test]
fn its_pods_reach_the_repository_alone() {
    let Some(chart) = Chart::new("its_pods_reach_the_repository_alone") else { return };
    let chart = chart.set("frappe.networkPolicy", json!({"enabled": true, "egress": {"enabled": true}}));
    let objects = verified(&chart, there()).objects();
    for policy in objects.of_kind("NetworkPolicy") {
        let selector = &policy["spec"]["podSelector"];
        let wanted = &selector["matchLabels"]["app.kubernetes.io/component"];
        let terms = selector["matchExpressions"].to_string();
        let leaves_out = wanted.is_string() && wanted != "verify"
            || terms.contains("NotIn") && terms.contains("verify")
            || terms.contains("\"In\"") && !terms.contains("verify");
        assert_eq!(leaves_out, !policy["metadata"]["name"].to_string().contains("-verify"), "{policy}");
    }
    let policy = &objects.get("NetworkPolicy", "-verify")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let rules = policy["egress"].as_array().expect("rules");
    assert_eq!(rules.len(), 2);
    assert!(rules[0]["ports"].as_array().expect("ports").iter().all(|port| port["port"] == 53));
    assert_eq!(rules[1], there()[0]);
    // Also where the release has no policies otherwise.
    let alone = verified(&Chart::new("").expect("Helm"), there()).objects();
    assert_eq!(alone.of_kind("NetworkPolicy").count(), 1);
}

#[test]
fn a_way_to_every_host_is_refused() {
    let Some(chart) = Chart::new("a_way_to_every_host_is_refused") else { return };
    let refusal = verified(&chart, json!([{"ports": [{"port": 443}]}])).refusal();
    assert!(refusal.contains("frappe.backup.egress allows every host"), "{refusal}");
    // The control: without verifications it is taken.
    let off = verified(&chart, json!([{"ports": [{"port": 443}]}]))
        .set("frappe.backup.verify.enabled", json!(false));
    assert_eq!(off.objects().of_kind("CronJob").count(), 1);
}
