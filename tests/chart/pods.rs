//! Every pod is of the restricted profile, is asked by all three probes, and has the time it needs to stop.

use serde_json::json;

use super::helm::{Chart, OVERLAYS, container, containers, variable};

/// Kubernetes' Pod Security Standards, `restricted`, and a root that cannot be written.
#[test]
fn every_pod_is_of_the_restricted_profile() {
    let Some(chart) = Chart::new("every_pod_is_of_the_restricted_profile") else { return };
    for overlay in OVERLAYS {
        let objects = chart.clone().overlay(overlay).objects();
        assert_eq!(objects.pods().len(), 5);
        for (role, pod) in objects.pods() {
            let spec = &pod["spec"];
            assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{overlay}, {role}");
            assert_eq!(
                spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
                "{overlay}, {role}"
            );
            assert_eq!(spec["automountServiceAccountToken"], false, "{overlay}, {role}");
            for host in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(spec[host].is_null(), "{overlay}, {role}: {host}");
            }
            for container in containers(pod) {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{overlay}, {role}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{overlay}, {role}");
                assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{overlay}, {role}");
                assert!(!container["resources"]["limits"]["memory"].is_null(), "{overlay}, {role}");
            }
            // "wait-deps and role containers from one image"
            let images: Vec<_> = containers(pod).iter().map(|container| &container["image"]).collect();
            assert!(images.iter().all(|image| *image == images[0]), "{overlay}, {role}: {images:?}");
            for volume in spec["volumes"].as_array().expect("volumes") {
                assert!(volume["hostPath"].is_null(), "{overlay}, {role}");
            }
        }
    }
}

#[test]
fn every_role_is_asked_by_all_three_probes() {
    let Some(chart) = Chart::new("every_role_is_asked_by_all_three_probes") else { return };
    let objects = chart.objects();
    for role in ["web", "worker", "scheduler", "socketio"] {
        let main = container(objects.pod(role));
        for (probe, path) in
            [("startupProbe", "/startupz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(main[probe]["httpGet"], json!({"path": path, "port": "health"}), "{role}");
        }
        assert!(main["lifecycle"].is_null(), "{role}: the drain needs no preStop");
    }
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().expect("seconds")
}

#[test]
fn the_grace_fits_between_the_drain_and_the_kubelets_kill() {
    let Some(chart) = Chart::new("the_grace_fits_between_the_drain_and_the_kubelets_kill") else { return };
    let chart = chart.set("frappe.web.terminationGracePeriodSeconds", json!(90));
    for overlay in OVERLAYS {
        let objects = chart.clone().overlay(overlay).objects();
        for (role, pod) in objects.pods() {
            let total = pod["spec"]["terminationGracePeriodSeconds"].as_u64().expect("a grace period");
            let given = |name: &str| variable(container(pod), name).map_or(0, |text| seconds(&text));
            let (grace, drain) = (given("CAULDRON_GRACE"), given("CAULDRON_DRAIN"));
            assert_eq!(drain + grace + 10, total, "{overlay}, {role}");
            match role.as_str() {
                // The queue `long` has 1500 s (docs/frappe-jobs.md#queue-timeouts), and 30 s are the binary's
                // own margin.
                "worker" => assert!(grace >= 1530, "{overlay}: {grace}"),
                "bootstrap" => assert!(grace >= 600, "{overlay}: {grace}"),
                "web" => assert_eq!((grace, drain), (75, 5), "it follows the value"),
                _ => assert!(grace >= 10, "{overlay}, {role}: {grace}"),
            }
        }
    }
}

#[test]
fn every_role_has_a_disruption_budget() {
    let Some(chart) = Chart::new("every_role_has_a_disruption_budget") else { return };
    let objects = chart.overlay("prod").objects();
    for role in ["web", "worker", "scheduler", "socketio"] {
        let budget = objects.get("PodDisruptionBudget", &format!("-{role}"));
        // One that allows no eviction at all would hold up every drain of a node.
        assert_eq!(budget["spec"]["maxUnavailable"], 1);
        let labels = &budget["spec"]["selector"]["matchLabels"];
        assert_eq!(
            &objects.get("Deployment", &format!("-{role}"))["spec"]["selector"]["matchLabels"],
            labels
        );
    }
}

/// A policy, a Service or a monitor whose selector meets no pod is worse than none.
#[test]
fn selectors_meet_pods_and_ports_exist() {
    let Some(chart) = Chart::new("selectors_meet_pods_and_ports_exist") else { return };
    let objects = chart.overlay("prod").objects();
    let pods = objects.pods();
    let meets = |selector: &serde_json::Value| {
        let wanted = selector.as_object().expect("labels");
        pods.iter()
            .filter(|(_, pod)| wanted.iter().all(|(key, value)| &pod["metadata"]["labels"][key] == value))
            .map(|(_, pod)| *pod)
            .collect::<Vec<_>>()
    };
    for policy in objects.of_kind("NetworkPolicy") {
        let labels = &policy["spec"]["podSelector"]["matchLabels"];
        assert!(!meets(labels).is_empty(), "{labels}");
    }
    for monitor in objects.of_kind("ServiceMonitor") {
        let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().expect("labels");
        let port = &monitor["spec"]["endpoints"][0]["port"];
        let found = objects.of_kind("Service").filter(|service| {
            wanted.iter().all(|(key, value)| &service["metadata"]["labels"][key] == value)
                && &service["spec"]["ports"][0]["name"] == port
        });
        assert_eq!(found.count(), 1, "{monitor}");
    }
    for service in objects.of_kind("Service") {
        let target = &service["spec"]["ports"][0]["targetPort"];
        let found = meets(&service["spec"]["selector"]);
        assert!(!found.is_empty(), "{service}");
        for pod in found {
            let ports = container(pod)["ports"].as_array().expect("ports");
            assert!(ports.iter().any(|port| &port["name"] == target), "{target} is no port of {ports:?}");
        }
    }
}

/// Frappe's node server asks the web role whose page it is: by the Service, which a policy lets it reach.
#[test]
fn socketio_asks_the_web_service() {
    let Some(chart) = Chart::new("socketio_asks_the_web_service") else { return };
    let from = json!([{"namespaceSelector": {"matchLabels": {"name": "ingress-nginx"}}}]);
    let objects = chart
        .set("frappe.service.webPort", json!(8080))
        .set("frappe.networkPolicy.enabled", json!(true))
        .set("frappe.networkPolicy.webFrom", from)
        .objects();
    let service = objects.get("Service", "-web");
    let url = format!("http://{}:{}", super::helm::name(service), service["spec"]["ports"][0]["port"]);
    assert_eq!(variable(container(objects.pod("socketio")), "CAULDRON_WEB_URL"), Some(url));
    let from =
        objects.get("NetworkPolicy", "-web")["spec"]["ingress"][0]["from"].as_array().expect("peers").clone();
    let labels = &objects.pod("socketio")["metadata"]["labels"];
    let lets_in = from.iter().filter_map(|peer| peer["podSelector"]["matchLabels"].as_object());
    assert!(
        lets_in.into_iter().any(|wanted| wanted.iter().all(|(key, value)| &labels[key] == value)),
        "{from:?}"
    );
}

/// The limit of the runtime folder and the budget that follows from it are one figure, into which the largest body fits.
#[test]
fn the_web_pods_runtime_folder_has_the_size_that_the_web_port_knows() {
    const TEST: &str = "the_web_pods_runtime_folder_has_the_size_that_the_web_port_knows";
    let Some(chart) = Chart::new(TEST) else { return };
    let of = |chart: &Chart, role: &str| {
        let objects = chart.objects();
        let pod = objects.pod(role);
        let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
        let run = volumes.iter().find(|volume| volume["name"] == "run").expect("the runtime folder");
        let limit = run["emptyDir"]["sizeLimit"].as_str().map(str::to_owned);
        (limit, variable(container(pod), "CAULDRON_RUNTIME_SIZE"))
    };
    let both = |size: &str| (Some(size.to_string()), Some(size.to_string()));
    assert_eq!(of(&chart, "web"), both("1024Mi"));
    assert_eq!(of(&chart, "worker"), (None, None));
    for (body, size) in [(json!("2g"), "4820Mi"), (json!(1_073_741_824), "2411Mi"), (json!("0"), "1024Mi")] {
        assert_eq!(of(&chart.clone().set("frappe.web.maxBodySize", body), "web"), both(size));
    }
    let given = chart.clone().set("frappe.web.runtimeSize", json!("64Mi"));
    assert_eq!(of(&given, "web"), both("64Mi"));
    // The chart does not know which size an own body limit needs.
    let own = json!([{"name": "CLIENT_MAX_BODY_SIZE", "value": "2g"}]);
    assert_eq!(of(&chart.set("frappe.extraEnv", own), "web"), (None, None));
}
