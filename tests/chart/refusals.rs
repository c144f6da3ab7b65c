//! What cannot work is refused when it is rendered, with what to set.

use serde_json::json;

use super::helm::Chart;

#[test]
fn several_pods_need_a_volume_that_several_nodes_can_mount() {
    let Some(chart) = Chart::new("several_pods_need_a_volume_that_several_nodes_can_mount") else { return };
    let once = chart.clone().set("frappe.persistence.accessMode", json!("ReadWriteOnce"));
    let refusal = once.clone().set("frappe.replicas.web", json!(3)).refusal();
    assert!(refusal.contains("up to 3 pods") && refusal.contains("ReadWriteMany"), "{refusal}");
    let refusal = once.clone().set("frappe.autoscaling.web.enabled", json!(true)).refusal();
    assert!(refusal.contains("up to 6 pods"), "{refusal}");
    // One of each shares it, all on one node.
    let objects = once.objects();
    for (role, pod) in objects.pods() {
        assert!(pod["spec"]["affinity"]["podAffinity"].is_object(), "{role} may land on another node");
    }
    // Left to itself it asks for what it needs.
    let many = chart.set("frappe.replicas.web", json!(3)).objects();
    assert_eq!(many.get("PersistentVolumeClaim", "")["spec"]["accessModes"], json!(["ReadWriteMany"]));
    assert!(many.pod("web")["spec"]["affinity"].is_null());
}

#[test]
fn without_a_volume_there_is_one_pod() {
    let Some(chart) = Chart::new("without_a_volume_there_is_one_pod") else { return };
    let chart = chart.set("frappe.persistence.enabled", json!(false));
    let refusal = chart.refusal();
    assert!(refusal.contains("5 pods need the same sites/"), "{refusal}");
    let one = chart
        .set("frappe.replicas.worker", json!(0))
        .set("frappe.scheduler.enabled", json!(false))
        .set("frappe.socketio.enabled", json!(false))
        .set("frappe.bootstrap.mode", json!("inline"))
        .objects();
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
    ] {
        let refusal = chart.clone().set(path, value).refusal();
        assert!(refusal.contains(told), "{path}: {refusal}");
    }
}
