//! What cannot work is refused when it is rendered, with what to set.

use serde_json::json;

use super::helm::{Chart, container, variable};

/// ReadWriteOnce is a node's: several pods share it there. ReadWriteOncePod is one pod's.
#[test]
fn a_volume_of_one_node_keeps_all_pods_there_and_one_of_one_pod_is_refused() {
    const TEST: &str = "a_volume_of_one_node_keeps_all_pods_there_and_one_of_one_pod_is_refused";
    let Some(chart) = Chart::new(TEST) else { return };
    let several = chart.clone().set("frappe.replicas.web", json!(3));
    let once = several.clone().set("frappe.persistence.accessMode", json!("ReadWriteOnce"));
    for chart in [&several, &once] {
        let objects = chart.objects();
        assert_eq!(objects.get("PersistentVolumeClaim", "")["spec"]["accessModes"], json!(["ReadWriteOnce"]));
        for (role, pod) in objects.pods() {
            assert!(pod["spec"]["affinity"]["podAffinity"].is_object(), "{role} may land on another node");
        }
        assert!(chart.notes().contains("all pods run on one node"), "{}", chart.notes());
    }
    let many = several.set("frappe.persistence.accessMode", json!("ReadWriteMany"));
    assert!(many.objects().pod("web")["spec"]["affinity"].is_null());
    assert!(!many.notes().contains("one node"));

    let pod = chart.set("frappe.persistence.accessMode", json!("ReadWriteOncePod"));
    let refusal = pod.refusal();
    assert!(refusal.contains("ReadWriteOncePod") && refusal.contains("there are 5"), "{refusal}");
    let one = one_pod(pod).objects();
    assert_eq!(one.get("Deployment", "-web")["spec"]["strategy"], json!({"type": "Recreate"}));
}

/// The only pod is web's.
fn one_pod(chart: Chart) -> Chart {
    chart
        .set("frappe.replicas.worker", json!(0))
        .set("frappe.scheduler.enabled", json!(false))
        .set("frappe.socketio.enabled", json!(false))
        .set("frappe.bootstrap.mode", json!("inline"))
}

#[test]
fn without_a_volume_there_is_one_pod() {
    let Some(chart) = Chart::new("without_a_volume_there_is_one_pod") else { return };
    let chart = chart.set("frappe.persistence.enabled", json!(false));
    let refusal = chart.refusal();
    assert!(refusal.contains("5 pods need the same sites/"), "{refusal}");
    let one = one_pod(chart).objects();
    assert_eq!(one.of_kind("PersistentVolumeClaim").count(), 0);
    assert_eq!(one.of_kind("Job").count(), 0);
}

#[test]
fn a_value_of_the_wrong_kind_or_name_is_told() {
    let Some(chart) = Chart::new("a_value_of_the_wrong_kind_or_name_is_told") else { return };
    for (path, value, told) in [
        ("frappe.replicas.web", json!("two"), "/frappe/replicas/web"),
        ("frappe.image.repostory", json!("x"), "repostory"),
        ("frappe.db.name", json!("postgres"), "/frappe/db/name"),
        ("frappe.site.name", json!("a b"), "/frappe/site/name"),
        ("frappe.apps", json!([{"branch": "main"}]), "/frappe/apps/0"),
        ("frappe.bootstrap.mode", json!("hook"), "/frappe/bootstrap/mode"),
        ("frape", json!({"replicas": {"web": 3}}), "frape"),
        ("replicas", json!(3), "replicas"),
        ("Global", json!({"storageClass": "nfs"}), "Global"),
        ("frappe.db.port", json!("postgres"), "/frappe/db/port"),
        ("frappe.service.webPort", json!(0), "/frappe/service/webPort"),
        ("frappe.extraEnv", json!([{"name": "A", "vlaue": "b"}]), "vlaue"),
    ] {
        let refusal = chart.clone().set(path, value).refusal();
        assert!(refusal.contains(told), "{path}: {refusal}");
    }
}

/// A parent chart's values have `global` for all its charts, and a condition beside ours.
#[test]
fn what_a_parent_chart_puts_beside_ours_is_taken() {
    let Some(chart) = Chart::new("what_a_parent_chart_puts_beside_ours_is_taken") else { return };
    let chart = chart.set("global.postgresql", json!({"auth": {}})).set("enabled", json!(true));
    assert!(!chart.objects().0.is_empty());
}

/// A name that anybody may register is given nothing: the image has to be the user's own.
#[test]
fn an_image_has_to_be_named() {
    let Some(chart) = Chart::new("an_image_has_to_be_named") else { return };
    for (repository, told) in [
        (json!(""), "frappe.image.repository is not set"),
        (json!(null), "frappe.image.repository is not set"),
        (json!("frappe/bench"), "has no bench in it"),
        (json!("docker.io/frappe/bench"), "has no bench in it"),
    ] {
        let refusal = chart.clone().set("frappe.image.repository", repository).refusal();
        assert!(refusal.contains(told) && refusal.contains("docker/Dockerfile"), "{refusal}");
    }
    // 0.1.0's default, digest or not.
    let digest = chart.set("frappe.image.repository", json!("frappe/bench"));
    let digest = digest.set("frappe.image.digest", json!(format!("sha256:{}", "a".repeat(64))));
    assert!(digest.refusal().contains("has no bench in it"));
}

/// What is in hand has 5 s at least, and the kubelet's kill comes after it.
#[test]
fn a_grace_period_that_the_drain_uses_up_is_refused() {
    let Some(chart) = Chart::new("a_grace_period_that_the_drain_uses_up_is_refused") else { return };
    for (path, value, role, least) in [
        ("frappe.drainSeconds", 120, "web", 135),
        ("frappe.drainSeconds", 46, "web", 61),
        ("frappe.drainSeconds", 16, "socketio", 31),
        ("frappe.web.terminationGracePeriodSeconds", 19, "web", 20),
        ("frappe.worker.terminationGracePeriodSeconds", 10, "worker", 15),
        ("frappe.bootstrap.terminationGracePeriodSeconds", 0, "bootstrap", 15),
    ] {
        let refusal = chart.clone().set(path, json!(value)).refusal();
        let told = format!("frappe.{role}.terminationGracePeriodSeconds is");
        assert!(refusal.contains(&told) && refusal.contains(&format!("{least} or more")), "{refusal}");
    }
    let objects = chart.set("frappe.web.terminationGracePeriodSeconds", json!(20)).objects();
    assert_eq!(variable(container(objects.pod("web")), "CAULDRON_GRACE").expect("it"), "5s");
}

/// Helm allows releases whose objects the API server refuses.
#[test]
fn a_name_that_no_service_may_have_is_refused() {
    let Some(chart) = Chart::new("a_name_that_no_service_may_have_is_refused") else { return };
    for release in ["1st-shop", "123", "my.shop"] {
        let chart = chart.clone().release(release);
        assert!(chart.refusal().contains("set fullnameOverride"), "{release}");
        let objects = chart.set("fullnameOverride", json!("shop")).objects();
        let labels = &objects.pod("web")["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/instance"], release, "text, also if it looks like a number");
    }
    assert!(chart.set("fullnameOverride", json!("Shop")).refusal().contains("Shop-…"));
}

#[test]
fn an_autoscaler_with_more_least_than_most_is_refused() {
    let Some(chart) = Chart::new("an_autoscaler_with_more_least_than_most_is_refused") else { return };
    for role in ["web", "worker"] {
        let scaled = json!({"enabled": true, "minReplicas": 7});
        let refusal = chart.clone().set(&format!("frappe.autoscaling.{role}"), scaled).refusal();
        assert!(refusal.contains(&format!("frappe.autoscaling.{role}.minReplicas is 7")), "{refusal}");
        assert!(refusal.contains("set maxReplicas to 7 or more"), "{refusal}");
    }
}

/// An API server refuses the whole pod.
#[test]
fn two_entries_of_one_name_in_a_pod_are_refused() {
    let Some(chart) = Chart::new("two_entries_of_one_name_in_a_pod_are_refused") else { return };
    let volume = |name: &str| json!([{"name": name, "emptyDir": {}}]);
    let container = |name: &str| json!([{"name": name, "image": "registry.example.com/probe:1"}]);
    let mount = |path: &str| json!([{"name": "own", "mountPath": path}]);
    let own = chart.clone().set("frappe.extraVolumes", volume("own"));
    own.clone()
        .set("frappe.extraVolumeMounts", mount("/own"))
        .set("frappe.web.extraVolumeMounts", mount("/too"))
        .objects();
    for (refused, told) in [
        (own.clone().set("frappe.web.extraVolumes", volume("own")), "extraVolumes of frappe or frappe.web"),
        (chart.clone().set("frappe.extraVolumes", volume("frappe-data")), "name frappe-data"),
        (own.clone().set("frappe.extraVolumeMounts", mount("/tmp/")), "mountPath /tmp"),
        (
            chart.clone().set("frappe.socketio.extraVolumeMounts", mount("/own")),
            "a volume own that the pod does not have",
        ),
        (chart.clone().set("frappe.extraInitContainers", container("wait-deps")), "name wait-deps"),
        (chart.clone().set("frappe.web.extraContainers", container("frappe")), "name frappe"),
    ] {
        let refusal = refused.refusal();
        assert!(refusal.contains(told), "{told}: {refusal}");
    }
}
