//! The way of a request into the pods: what Ingress controllers and Gateways are told, and the number of pods behind them.

use serde_json::{Value, json};

use super::helm::{Chart, IMAGE, chart, container, name, variable};
use super::old_release::Release;

fn annotations(chart: &Chart, class: &str) -> Value {
    let objects = chart.clone().set("frappe.ingress.className", json!(class)).objects();
    objects.get("Ingress", "")["metadata"]["annotations"].clone()
}

/// The client gets our answer to a request that takes too long, and not the proxy's.
#[test]
fn a_proxy_waits_longer_than_gunicorn() {
    let Some(chart) = Chart::new("a_proxy_waits_longer_than_gunicorn") else { return };
    for (timeout, seconds) in [
        (json!(""), "130"),
        (json!(300), "310"),
        (json!("5m"), "310"),
        (json!("90s"), "100"),
        (json!(0), "86400"),
    ] {
        let chart = chart.clone().set("frappe.web.gunicornTimeout", timeout);
        let nginx = annotations(&chart, "nginx");
        for limit in ["proxy-read-timeout", "proxy-send-timeout"] {
            assert_eq!(nginx[format!("nginx.ingress.kubernetes.io/{limit}")], seconds, "{limit}");
        }
        assert_eq!(annotations(&chart, "haproxy")["haproxy.org/timeout-server"], format!("{seconds}s"));
        assert_eq!(
            annotations(&chart, "contour")["projectcontour.io/response-timeout"],
            format!("{seconds}s")
        );
    }
    let own = json!({"nginx.ingress.kubernetes.io/proxy-read-timeout": 5});
    let theirs = annotations(&chart.clone().set("frappe.ingress.annotations", own), "nginx");
    assert_eq!(theirs["nginx.ingress.kubernetes.io/proxy-read-timeout"], "5");
    assert!(chart.set("frappe.web.gunicornTimeout", json!("5 min")).refusal().contains("gunicornTimeout"));
}

#[test]
fn a_gateway_routes_as_the_ingress_does() {
    let Some(chart) = Chart::new("a_gateway_routes_as_the_ingress_does") else { return };
    let chart = chart.set("frappe.httpRoute.enabled", json!(true));
    assert!(chart.refusal().contains("set frappe.httpRoute.parentRefs"));
    let chart =
        chart.set("frappe.httpRoute.parentRefs", json!([{"name": "public", "namespace": "gateways"}]));
    let objects = chart.objects();
    let route = objects.get("HTTPRoute", "");
    let spec = &route["spec"];
    assert_eq!(spec["hostnames"], json!(["cauldron.local"]));
    assert_eq!(spec["parentRefs"][0]["namespace"], "gateways");
    let rules = spec["rules"].as_array().expect("rules");
    // A live connection has no end, and every other request has gunicorn's.
    let limits: Vec<(&Value, &Value)> = rules
        .iter()
        .map(|rule| (&rule["matches"][0]["path"]["value"], &rule["timeouts"]["request"]))
        .collect();
    assert_eq!(limits, [(&json!("/socket.io"), &json!("0s")), (&json!("/"), &json!("130s"))]);
    let web = objects.get("Service", "-web");
    for rule in rules {
        assert_eq!(
            rule["backendRefs"],
            json!([{"name": name(web), "port": web["spec"]["ports"][0]["port"]}])
        );
    }
    assert_eq!(objects.of_kind("ClientSettingsPolicy").count(), 0);
    let nginx = chart
        .set("frappe.httpRoute.className", json!("nginx"))
        .set("frappe.ingress.hosts", json!([{"host": "a.example.com"}, {"host": "b.example.com"}]))
        .set("frappe.ingress.enabled", json!(false))
        .objects();
    assert_eq!(nginx.get("HTTPRoute", "")["spec"]["hostnames"], json!(["a.example.com", "b.example.com"]));
    let known = variable(container(nginx.pod("web")), "CAULDRON_INGRESS_HOSTS");
    assert_eq!(known.as_deref(), Some("a.example.com b.example.com"), "they are no foreign hosts");
    let policy = &nginx.get("ClientSettingsPolicy", "")["spec"];
    assert_eq!(policy["targetRef"]["name"], name(nginx.get("HTTPRoute", "")));
    assert_eq!(policy["body"]["maxSize"], "50m");
    assert_eq!(nginx.of_kind("Ingress").count(), 0);
}

/// A field that a manifest omits is set to its default by the API server: one pod.
#[test]
fn switching_autoscaling_on_keeps_the_pods_that_there_are() {
    const TEST: &str = "switching_autoscaling_on_keeps_the_pods_that_there_are";
    for helm in ["helm", "helm3"] {
        let Some(release) = Release::none(TEST, helm) else { return };
        let path = chart();
        let words = [path.to_str().expect("a path"), "--disable-openapi-validation"];
        let image = format!("--set=frappe.image.repository={IMAGE}");
        let replicas = "--set=frappe.replicas.web=3,frappe.persistence.accessMode=ReadWriteMany";
        release.does(&[&["install", "erp"], &words[..], &[&image, replicas]].concat());
        let on = "--set=frappe.autoscaling.web.enabled=true";
        for number in [3, 5] {
            release.does(&[&["upgrade", "erp"], &words[..], &[&image, replicas, on]].concat());
            let mut web = release.cluster.get("deployments", "erp-cauldron-frappe-web").expect("web");
            assert_eq!(web["spec"]["replicas"], number, "{helm}");
            // The autoscaler's own change stays, too.
            web["spec"]["replicas"] = json!(5);
            release.cluster.put("deployments", web);
        }
    }
}

/// Helm 4 has the server apply the manifest. A revision that names the autoscaler's number could not be rolled back to.
#[test]
fn a_number_of_the_autoscalers_own_is_not_in_the_manifest() {
    const TEST: &str = "a_number_of_the_autoscalers_own_is_not_in_the_manifest";
    let Some(release) = Release::none(TEST, "helm") else { return };
    let path = chart();
    let words = [path.to_str().expect("a path"), "--disable-openapi-validation"];
    let image = format!("--set=frappe.image.repository={IMAGE}");
    let on = "--set=frappe.autoscaling.web.enabled=true,frappe.persistence.accessMode=ReadWriteMany";
    release.does(&[&["install", "erp"], &words[..], &[&image, on]].concat());
    let names = |operation: &str, fields: &[&str]| {
        let fields: serde_json::Map<_, _> =
            fields.iter().map(|name| (format!("f:{name}"), json!({}))).collect();
        json!({"manager": "helm", "operation": operation, "fieldsV1": {"f:spec": fields}})
    };
    let scaled = json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}}});
    // Somebody else applies one field of the Deployment.
    let other = json!({"manager": "annotator", "operation": "Apply", "fieldsV1": {"f:metadata": {}}});
    for (managers, is_named) in [
        (json!([names("Apply", &["selector", "template", "replicas"]), other]), true),
        (json!([names("Apply", &["selector", "template"]), scaled, other]), false),
        (json!([names("Apply", &["selector", "template", "replicas"]), scaled]), false),
        // Helm 3, whose next manifest would set an omitted field to one pod.
        (json!([names("Update", &["selector", "template"]), scaled, other]), true),
    ] {
        let mut web = release.cluster.get("deployments", "erp-cauldron-frappe-web").expect("web");
        web["spec"]["replicas"] = json!(5);
        web["metadata"]["managedFields"] = managers.clone();
        release.cluster.put("deployments", web);
        release.does(&[&["upgrade", "erp"], &words[..], &[&image, on]].concat());
        let manifest = release.does(&["get", "manifest", "erp"]);
        assert_eq!(manifest.contains("  replicas: 5\n"), is_named, "{managers}");
    }
}
