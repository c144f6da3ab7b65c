//! The pod of `helm test`: hardened as the others, without an administrator's login, and met by no selector of a role.

use serde_json::{Value, json};

use super::environment::{bench, is_known, print_config, variables};
use super::helm::{Chart, OVERLAYS, Objects, containers, name, variable};

fn pod(objects: &Objects) -> &Value {
    objects.get("Pod", "-test")
}

#[test]
fn it_is_a_hook_of_the_restricted_profile_without_an_administrators_login() {
    let Some(chart) = Chart::new("it_is_a_hook_of_the_restricted_profile_without_an_administrators_login")
    else {
        return;
    };
    for overlay in OVERLAYS {
        let objects = chart.clone().overlay(overlay).objects();
        let pod = pod(&objects);
        assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
        assert_eq!(pod["spec"]["restartPolicy"], "Never");
        assert_eq!(pod["spec"]["securityContext"], objects.pod("web")["spec"]["securityContext"]);
        let commands: Vec<&Value> = containers(pod).iter().map(|container| &container["args"]).collect();
        assert_eq!(commands, [&json!(["doctor"]), &json!(["verify"])]);
        for container in containers(pod) {
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
            assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
            assert!(container["resources"]["limits"]["memory"].is_string());
            assert_eq!(container["image"], containers(objects.pod("web"))[0]["image"]);
            for name in ["DB_PASSWORD", "ADMIN_PASSWORD", "CAULDRON_COMMON_SITE_CONFIG"] {
                assert_eq!(variable(container, name), None, "{overlay}: {name}");
            }
            assert_eq!(variable(container, "CAULDRON_BOOTSTRAP").as_deref(), Some("follow"));
        }
        for object in objects.of_kind("Service").chain(objects.of_kind("PodDisruptionBudget")) {
            let (selector, ports) = (object["spec"]["selector"].to_string(), &object["spec"]["ports"]);
            // The one of the monitor selects every pod with a health port, which the test's does not have.
            let is_of_role = selector.contains("app.kubernetes.io/component");
            assert!(is_of_role || ports[0]["targetPort"] == "health", "{object}");
            assert!(!selector.contains("\"test\""), "{selector}");
        }
    }
}

#[test]
fn the_binary_accepts_it_and_it_asks_the_web_service() {
    let Some(chart) = Chart::new("the_binary_accepts_it_and_it_asks_the_web_service") else { return };
    let bench = bench();
    let chart = chart
        .set("frappe.site.name", json!("erp.example.com"))
        .set("frappe.ingress.hosts", json!([{"host": "www.example.com"}]))
        .set("frappe.worker.queues", json!(["reports", "default"]))
        .set("frappe.extraContainers", json!([{"name": "sidecar", "image": "x"}]))
        .set(
            "frappe.extraInitContainers",
            json!([{"name": "proxy", "image": "x", "restartPolicy": "Always"}]),
        );
    let objects = chart.objects();
    let (pod, service) = (pod(&objects), objects.get("Service", "-web"));
    let url = format!("http://{}:8000", name(service));
    let names: Vec<&Value> = containers(pod).iter().map(|container| &container["name"]).collect();
    assert_eq!(names, ["proxy", "doctor", "verify"]);
    for container in containers(pod).into_iter().skip(1) {
        assert_eq!(variable(container, "CAULDRON_WEB_URL"), Some(url.clone()));
        assert_eq!(variable(container, "CAULDRON_SITE_URL").as_deref(), Some("http://www.example.com"));
        assert_eq!(variable(container, "CAULDRON_POOL").as_deref(), Some("reports,default=1"));
        let mut given = variables(container);
        for (name, _) in &given {
            assert!(is_known(name), "{name} is not in docs/configuration.md");
        }
        given.retain(|(name, _)| name != "CAULDRON_POOL");
        let arguments = vec![container["args"][0].as_str().expect("a command").to_owned()];
        let (code, said) = print_config(bench.path(), &arguments, &given);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn it_follows_tls_sockets_policies_and_volumes() {
    let Some(chart) = Chart::new("it_follows_tls_sockets_policies_and_volumes") else { return };
    let tls = chart
        .clone()
        .set("frappe.web.tlsSecret", json!("erp-tls"))
        .set("frappe.web.tlsPrivateCa", json!(true))
        .set("frappe.socketio.enabled", json!(false))
        .set("frappe.networkPolicy", json!({"enabled": true, "webFrom": [{"podSelector": {}}]}))
        .objects();
    let verify = containers(pod(&tls))[1];
    assert_eq!(verify["args"], json!(["verify", "--without-live-events"]));
    assert!(variable(verify, "CAULDRON_WEB_URL").is_some_and(|url| url.starts_with("https://")));
    assert_eq!(variable(verify, "CAULDRON_WEB_CA").as_deref(), Some("/etc/cauldron/web-ca/ca.crt"));
    let volume = pod(&tls)["spec"]["volumes"].to_string();
    assert!(volume.contains("ca.crt") && !volume.contains("web-tls"), "{volume}");
    let allowed = tls.get("NetworkPolicy", "-web")["spec"]["ingress"].to_string();
    assert!(allowed.contains("\"app.kubernetes.io/component\":\"test\""), "{allowed}");
    let off = |path: &str, value: Value| {
        let objects = chart.clone().set("frappe.replicas.worker", json!(0)).set(path, value).objects();
        objects.of_kind("Pod").count()
    };
    assert_eq!(off("frappe.helmTest.enabled", json!(false)), 0);
    assert_eq!(off("frappe.helmTest.enabled", json!(true)), 1);
}
