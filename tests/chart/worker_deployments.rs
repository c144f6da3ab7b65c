//! `frappe.worker.deployments`: workers with queues, replicas, resources and autoscaling of their own, beside `-worker`.

use serde_json::{Value, json};

use super::helm::{Chart, Objects, container, name, variable};

fn chart(test: &str) -> Option<Chart> {
    let reports = json!({"queues": ["reports", "long"], "replicas": 3, "resources": {"limits": {"memory": "4Gi"}},
        "terminationGracePeriodSeconds": 3600, "maxMemory": 1_000_000_000_u64, "nodeSelector": {"pool": "big"}});
    let quick = json!({"pools": "short=4", "autoscaling": {"enabled": true, "maxReplicas": 9}});
    Some(
        Chart::new(test)?
            .set("frappe.worker.queues", json!(["default"]))
            .set("frappe.worker.extraEnv", json!([{"name": "ALL_WORKERS", "value": "1"}]))
            .set("frappe.worker.deployments", json!({"reports": reports, "quick": quick})),
    )
}

fn of<'a>(objects: &'a Objects, kind: &'a str, component: &str) -> Vec<&'a Value> {
    let fits = |object: &&Value| object["metadata"]["labels"]["app.kubernetes.io/component"] == component;
    objects.of_kind(kind).filter(fits).collect()
}

#[test]
fn each_has_its_own_queues_replicas_and_resources() {
    let Some(chart) = chart("each_has_its_own_queues_replicas_and_resources") else { return };
    let objects = chart.objects();
    for (component, pools, replicas, memory, grace) in [
        ("worker", "default=1", json!(1), "1Gi", "1550s"),
        ("worker-reports", "reports=1 long=1", json!(3), "4Gi", "3590s"),
        ("worker-quick", "short=4", Value::Null, "1Gi", "1550s"),
    ] {
        let [deployment] = of(&objects, "Deployment", component)[..] else { panic!("no {component}") };
        assert_eq!(name(deployment), format!("erp-cauldron-frappe-{component}"));
        assert_eq!(deployment["spec"]["replicas"], replicas, "{component}");
        let pod = objects.pod(component);
        let main = container(pod);
        assert_eq!(main["args"], json!(["worker"]));
        assert_eq!(variable(main, "CAULDRON_POOL").as_deref(), Some(pools));
        assert_eq!(variable(main, "CAULDRON_GRACE").as_deref(), Some(grace));
        assert_eq!(main["resources"]["limits"]["memory"], memory);
        assert_eq!(variable(main, "ALL_WORKERS").as_deref(), Some("1"), "frappe.worker counts for each");
        assert_eq!(pod["spec"]["nodeSelector"]["pool"].is_string(), component == "worker-reports");
        // No selector meets the pods of another Deployment.
        let selector = &deployment["spec"]["selector"]["matchLabels"];
        assert_eq!(selector["app.kubernetes.io/component"], component);
        assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/component"], component);
        let [budget] = of(&objects, "PodDisruptionBudget", component)[..] else { panic!("no budget") };
        assert_eq!(&budget["spec"]["selector"]["matchLabels"], selector);
    }
    let reports = container(objects.pod("worker-reports"));
    assert_eq!(variable(reports, "CAULDRON_MAX_MEMORY").as_deref(), Some("1000000000"));
}

#[test]
fn each_is_scaled_by_its_own_queues() {
    let Some(chart) = chart("each_is_scaled_by_its_own_queues") else { return };
    let chart = chart.set("frappe.bench.id", json!("shop"));
    let queues = |objects: &Objects, component: &str| -> Vec<String> {
        let scaled = of(objects, "ScaledObject", component);
        let triggers =
            scaled.iter().flat_map(|object| object["spec"]["triggers"].as_array().expect("triggers"));
        triggers.map(|trigger| trigger["metadata"]["listName"].as_str().expect("a list").to_owned()).collect()
    };
    let objects = chart.objects();
    assert_eq!(queues(&objects, "worker-quick"), ["rq:queue:shop:short"]);
    assert_eq!(of(&objects, "ScaledObject", "worker-quick")[0]["spec"]["maxReplicaCount"], 9);
    assert!(queues(&objects, "worker").is_empty() && queues(&objects, "worker-reports").is_empty());
    // What -worker does is not inherited: a Deployment of one replica would become one of six.
    let all = chart.set("frappe.autoscaling.worker.enabled", json!(true)).objects();
    assert_eq!(queues(&all, "worker"), ["rq:queue:shop:default"]);
    assert!(queues(&all, "worker-reports").is_empty());
}

/// GitOps lays one values file over another: the later one removes what the earlier one added.
#[test]
fn null_in_a_later_values_file_removes_a_deployment_or_a_value_of_one() {
    const TEST: &str = "null_in_a_later_values_file_removes_a_deployment_or_a_value_of_one";
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, deployments: Value| {
        let path = folder.path().join(name);
        let values = json!({"frappe": {"worker": {"deployments": deployments}}});
        std::fs::write(&path, values.to_string()).expect("a file");
        path
    };
    let base = file(
        "base.yaml",
        json!({"gone": {"pools": "gone=1", "autoscaling": {"enabled": true}},
            "kept": {"pools": "kept=1", "replicas": 3, "maxMemory": "1Gi", "terminationGracePeriodSeconds": 99,
                "autoscaling": {"enabled": true, "maxReplicas": 9}}}),
    );
    let overlay = file(
        "overlay.yaml",
        json!({"gone": null, "kept": {"replicas": null, "maxMemory": null, "terminationGracePeriodSeconds": null,
            "autoscaling": {"maxReplicas": null}}}),
    );
    let only = file("only.yaml", json!({"kept": {"pools": null}}));
    for helm in ["helm", "helm3"] {
        let Some(chart) = Chart::by(TEST, helm) else { return };
        let chart = chart.set("frappe.metrics.prometheusRule.enabled", json!(true)).values(&base);
        assert!(chart.text().contains("worker-gone"));
        let chart = chart.values(&overlay);
        assert!(!chart.text().contains("worker-gone"), "{helm}: it is in an alert, a budget or a Deployment");
        let objects = chart.objects();
        let main = container(objects.pod("worker-kept"));
        assert_eq!(variable(main, "CAULDRON_GRACE").as_deref(), Some("1550s"), "frappe.worker's");
        assert_eq!(variable(main, "CAULDRON_MAX_MEMORY"), None);
        assert_eq!(of(&objects, "ScaledObject", "worker-kept")[0]["spec"]["maxReplicaCount"], 6);
        // A Deployment without queues is none.
        assert!(chart.values(&only).refusal().contains("kept"));
    }
}

#[test]
fn what_cannot_run_is_refused() {
    let Some(chart) = chart("what_cannot_run_is_refused") else { return };
    for (name, value, told) in [
        ("a", json!({"replicas": 1}), "/frappe/worker/deployments/a"),
        ("a", json!({"pools": "a=1", "replica": 1}), "replica"),
        ("A_b", json!({"pools": "a=1"}), "A_b"),
        (
            "a",
            json!({"pools": "a=1", "terminationGracePeriodSeconds": 9}),
            "worker.deployments.a.terminationGracePeriodSeconds is 9",
        ),
        (
            "a",
            json!({"pools": "a=1", "autoscaling": {"enabled": true, "minReplicas": 7}}),
            "set maxReplicas to 7",
        ),
    ] {
        let refusal = chart.clone().set(&format!("frappe.worker.deployments.{name}"), value).refusal();
        assert!(refusal.contains(told), "{refusal}");
    }
    // They count where only one pod is possible.
    let refusal = chart.set("frappe.persistence.accessMode", json!("ReadWriteOncePod")).refusal();
    assert!(refusal.contains("there are 17"), "{refusal}");
}
