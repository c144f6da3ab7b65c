//! What a pod can be given: for every role, for one role, for one Deployment of workers; and the Services.

use serde_json::{Value, json};

use super::helm::{Chart, Objects, container, containers, name, variable};

const ROLES: [&str; 5] = ["web", "worker", "scheduler", "socketio", "bootstrap"];

/// Each value of pods, with a text that is found in what it makes.
fn marked() -> Vec<(&'static str, Value)> {
    vec![
        ("extraEnv", json!([{"name": "MARK", "value": "of-extraEnv"}])),
        ("extraEnvFrom", json!([{"secretRef": {"name": "of-extraEnvFrom"}}])),
        ("extraVolumes", json!([{"name": "of-extraVolumes", "emptyDir": {}}])),
        (
            "extraVolumeMounts",
            json!([{"name": "of-extraVolumes", "mountPath": "/x", "subPath": "of-extraVolumeMounts"}]),
        ),
        ("extraInitContainers", json!([{"name": "of-extraInitContainers", "image": "x"}])),
        ("extraContainers", json!([{"name": "of-extraContainers", "image": "x"}])),
        ("affinity", json!({"nodeAffinity": {"x": "of-affinity"}})),
        ("nodeSelector", json!({"x": "of-nodeSelector"})),
        ("tolerations", json!([{"key": "of-tolerations"}])),
        ("topologySpreadConstraints", json!([{"topologyKey": "of-topologySpreadConstraints"}])),
        ("podLabels", json!({"x": "of-podLabels", "app.kubernetes.io/component": "theirs"})),
        ("podAnnotations", json!({"x": "of-podAnnotations"})),
        ("labels", json!({"y": "of-labels", "app.kubernetes.io/component": "theirs"})),
        ("annotations", json!({"y": "of-annotations"})),
        ("lifecycle", json!({"preStop": {"exec": {"command": ["of-lifecycle"]}}})),
        ("hostAliases", json!([{"ip": "192.0.2.1", "hostnames": ["of-hostAliases"]}])),
        ("dnsPolicy", json!("None")),
        ("dnsConfig", json!({"searches": ["of-dnsConfig"]})),
        ("runtimeClassName", json!("of-runtimeClassName")),
        ("priorityClassName", json!("of-priorityClassName")),
    ]
}

fn with(chart: &Chart, path: &str) -> Chart {
    marked()
        .into_iter()
        .fold(chart.clone(), |chart, (name, value)| chart.set(&format!("{path}.{name}"), value))
}

/// The Deployment or Job of each component, with the names of the values that reached it.
fn reached(objects: &Objects) -> Vec<(String, Vec<&'static str>)> {
    let workloads = ["Deployment", "Job"].map(|kind| objects.of_kind(kind)).into_iter().flatten();
    workloads
        .map(|object| {
            let component = object["metadata"]["labels"]["app.kubernetes.io/component"].as_str();
            let text = object.to_string();
            let is_there = |name: &str| match name {
                "dnsPolicy" => object["spec"]["template"]["spec"]["dnsPolicy"] == "None",
                name => text.contains(&format!("\"of-{name}\"")),
            };
            let names = marked().into_iter().map(|(name, _)| name).filter(|name| is_there(name)).collect();
            (component.expect("a component").to_owned(), names)
        })
        .collect()
}

#[test]
fn a_value_of_one_role_reaches_that_role_alone() {
    let Some(chart) = Chart::new("a_value_of_one_role_reaches_that_role_alone") else { return };
    let all: Vec<&str> = marked().into_iter().map(|(name, _)| name).collect();
    for role in ROLES {
        let reached = reached(&with(&chart, &format!("frappe.{role}")).objects());
        assert_eq!(reached.len(), ROLES.len());
        for (component, names) in reached {
            let wanted = if component == role { &all[..] } else { &[] };
            assert_eq!(names, wanted, "frappe.{role}.* in {component}");
        }
    }
}

#[test]
fn a_value_of_all_roles_reaches_every_container_that_needs_it() {
    let Some(chart) = Chart::new("a_value_of_all_roles_reaches_every_container_that_needs_it") else {
        return;
    };
    let objects = with(&chart, "frappe").objects();
    for (component, names) in reached(&objects) {
        // A sidecar that never ends would keep the Job running.
        assert_eq!(
            marked().len() - names.len(),
            usize::from(component == "bootstrap"),
            "{component}: {names:?}"
        );
    }
    for (role, pod) in objects.pods() {
        assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/component"], role);
        let ours = |container: &&Value| container["args"].is_array();
        for container in containers(pod).into_iter().filter(ours) {
            assert_eq!(variable(container, "MARK").as_deref(), Some("of-extraEnv"), "{role}");
            assert_eq!(container["envFrom"][0]["secretRef"]["name"], "of-extraEnvFrom", "{role}");
            let mounts = container["volumeMounts"].as_array().expect("mounts");
            assert!(mounts.iter().any(|mount| mount["subPath"] == "of-extraVolumeMounts"), "{role}");
        }
        // The role's container stays the first, and wait-deps runs after what it may need.
        assert_eq!(container(pod)["args"], json!([role]));
        if role != "bootstrap" {
            let order: Vec<&Value> =
                containers(pod).iter().map(|container| &container["name"]).take(2).collect();
            assert_eq!(order, ["of-extraInitContainers", "wait-deps"], "{role}");
        }
    }
}

#[test]
fn lists_are_added_maps_merged_and_text_replaced() {
    let Some(chart) = Chart::new("lists_are_added_maps_merged_and_text_replaced") else { return };
    let values = json!({
        "extraEnv": [{"name": "A", "value": "all"}, {"name": "B", "value": "all"}, {"name": "DB_HOST", "value": "all"}],
        "nodeSelector": {"a": "all", "b": "all"}, "priorityClassName": "all", "tolerations": [{"key": "all"}],
        "web": {"extraEnv": [{"name": "B", "value": "web"}, {"name": "DB_HOST", "value": "web"}],
            "nodeSelector": {"b": "web"}, "priorityClassName": "web", "tolerations": [{"key": "web"}]},
    });
    let set =
        |chart: Chart, (name, value): (&String, &Value)| chart.set(&format!("frappe.{name}"), value.clone());
    let objects = values.as_object().expect("values").iter().fold(chart, set).objects();
    for (role, wanted) in [("web", "web"), ("worker", "all"), ("bootstrap", "all")] {
        let pod = objects.pod(role);
        let spec = &pod["spec"];
        for (name, value) in [("A", "all"), ("B", wanted), ("DB_HOST", wanted)] {
            assert_eq!(variable(container(pod), name).as_deref(), Some(value), "{role}");
        }
        assert_eq!(spec["nodeSelector"], json!({"a": "all", "b": wanted}), "{role}");
        assert_eq!(spec["priorityClassName"], wanted);
        assert_eq!(spec["tolerations"].as_array().map(Vec::len), Some(if role == "web" { 2 } else { 1 }));
    }
}

/// The chart's own term for a volume of one node stays, whatever affinity is given.
#[test]
fn a_given_affinity_is_beside_the_charts() {
    let Some(chart) = Chart::new("a_given_affinity_is_beside_the_charts") else { return };
    let theirs = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]},
        "podAntiAffinity": {"x": "y"}});
    let chart = chart.set("frappe.affinity", theirs.clone());
    for (role, pod) in chart.objects().pods() {
        let affinity = &pod["spec"]["affinity"];
        let terms = &affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let keys: Vec<&Value> =
            terms.as_array().expect("terms").iter().map(|term| &term["topologyKey"]).collect();
        assert_eq!(keys, ["kubernetes.io/hostname", "zone"], "{role}");
        assert_eq!(affinity["podAntiAffinity"], theirs["podAntiAffinity"], "{role}");
    }
    let many = chart.set("frappe.persistence.accessMode", json!("ReadWriteMany")).objects();
    assert_eq!(many.pod("web")["spec"]["affinity"], theirs);
}

#[test]
fn a_service_takes_any_field() {
    let Some(chart) = Chart::new("a_service_takes_any_field") else { return };
    let objects = chart
        .set("frappe.service.type", json!("NodePort"))
        .set("frappe.service.annotations", json!({"a": "all", "b": "all"}))
        .set(
            "frappe.web.service",
            json!({"type": "LoadBalancer", "loadBalancerClass": "internal", "nodePort": 30080,
                "externalTrafficPolicy": "Local", "annotations": {"b": "web"}, "labels": {"team": 7}}),
        )
        .set("frappe.socketio.service", json!({"sessionAffinity": "None"}))
        .objects();
    let web = objects.get("Service", "-web");
    assert_eq!(web["spec"]["type"], "LoadBalancer");
    assert_eq!(
        (&web["spec"]["loadBalancerClass"], &web["spec"]["externalTrafficPolicy"]),
        (&json!("internal"), &json!("Local"))
    );
    let port =
        json!({"name": "http", "port": 8000, "targetPort": "http", "protocol": "TCP", "nodePort": 30080});
    assert_eq!(web["spec"]["ports"], json!([port]));
    assert_eq!(
        (&web["metadata"]["annotations"]["a"], &web["metadata"]["annotations"]["b"]),
        (&json!("all"), &json!("web"))
    );
    assert_eq!(web["metadata"]["labels"]["team"], "7");
    let socketio = &objects.get("Service", "-socketio")["spec"];
    assert_eq!((&socketio["type"], &socketio["sessionAffinity"]), (&json!("NodePort"), &json!("None")));
}

#[test]
fn objects_of_the_user_are_rendered_with_the_release() {
    let Some(chart) = Chart::new("objects_of_the_user_are_rendered_with_the_release") else { return };
    let named = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Namespace }}-b'}\n";
    let objects = chart.set("extraObjects", json!([named("{{ .Release.Name }}-a"), text])).objects();
    let names: Vec<&str> = objects.of_kind("ConfigMap").map(name).collect();
    assert_eq!(names, ["erp-a", "cauldron-b"]);
}

#[test]
fn a_mirror_takes_the_place_of_the_registry() {
    let Some(chart) = Chart::new("a_mirror_takes_the_place_of_the_registry") else { return };
    let chart = chart.set("global.imageRegistry", json!("mirror.example.com:5000/all"));
    for (repository, rest) in [
        ("registry.example.com/erpnext", "erpnext"),
        ("localhost/shop/erpnext", "shop/erpnext"),
        ("shop/erpnext", "shop/erpnext"),
        ("host:5000/a/b", "a/b"),
    ] {
        let objects = chart.clone().set("frappe.image.repository", json!(repository)).objects();
        for (role, pod) in objects.pods() {
            for container in containers(pod) {
                assert_eq!(container["image"], format!("mirror.example.com:5000/all/{rest}:0.2.0"), "{role}");
            }
        }
    }
}
