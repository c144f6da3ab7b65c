//! GitOps is quiet: the same values give the same text, and an upgrade that changes nothing changes nothing.

use serde_json::json;

use super::helm::{Chart, IMAGE, OVERLAYS, chart, container, name, variable};

#[test]
fn rendered_twice_it_is_the_same() {
    let Some(chart) = Chart::new("rendered_twice_it_is_the_same") else { return };
    for overlay in OVERLAYS {
        let chart = chart.clone().overlay(overlay);
        assert_eq!(chart.text(), chart.text(), "{overlay}");
    }
}

/// Users have Helm 3 or Helm 4, and a GitOps tool its own.
#[test]
fn helm_3_renders_the_same() {
    const TEST: &str = "helm_3_renders_the_same";
    let (Some(new), Some(old)) = (Chart::new(TEST), Chart::by(TEST, "helm3")) else { return };
    for overlay in OVERLAYS {
        assert_eq!(new.clone().overlay(overlay).text(), old.clone().overlay(overlay).text(), "{overlay}");
    }
}

/// Of the cluster is asked what must not be changed or deleted there: the claim, what 0.1.0 left, and an autoscaler's number.
#[test]
fn no_template_asks_for_chance_or_time_and_few_for_the_cluster() {
    const ASK_THE_CLUSTER: [&str; 4] = ["_claim.tpl", "_deployment.tpl", "pvc.yaml", "of-0.1.0.yaml"];
    let chance = ["rand", "now", "date", "uuidv4", "genCA", "genSelf", "genSigned", "genPrivate", "shuffle"];
    for entry in std::fs::read_dir(chart().join("templates")).expect("templates") {
        let path = entry.expect("templates").path();
        let asks = path.file_name().is_some_and(|name| ASK_THE_CLUSTER.iter().any(|asks| *asks == name));
        let forbidden = || chance.iter().chain((!asks).then_some(&"lookup"));
        let text = std::fs::read_to_string(&path).expect("a template");
        for action in text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
            // What a comment or a string says is no call.
            let quiet: String = action.split('"').step_by(2).filter(|_| !action.contains("/*")).collect();
            for word in quiet.split(|c: char| !c.is_ascii_alphanumeric()) {
                assert!(!forbidden().any(|bad| word.starts_with(bad)), "{}: {action}", path.display());
            }
        }
    }
}

#[test]
fn the_bootstrap_is_named_by_what_it_runs() {
    let Some(chart) = Chart::new("the_bootstrap_is_named_by_what_it_runs") else { return };
    let job = |chart: &Chart| name(chart.objects().get("Job", "")).to_owned();
    let first = job(&chart);
    for (path, value) in [
        ("frappe.image.tag", json!("2.0")),
        ("frappe.apps", json!([{"name": "hrms", "branch": "version-15"}])),
        ("frappe.db.host", json!("other")),
    ] {
        assert_ne!(job(&chart.clone().set(path, value)), first, "{path} makes no new Job");
    }
    // What another role alone is told is none of its business.
    assert_eq!(job(&chart.set("frappe.web.terminationGracePeriodSeconds", json!(90))), first);
}

/// A hook's pods are waited for by those that wait for them.
#[test]
fn the_bootstrap_is_an_ordinary_job() {
    let Some(plain) = Chart::new("the_bootstrap_is_an_ordinary_job") else { return };
    for overlay in OVERLAYS {
        let chart = plain.clone().overlay(overlay);
        let objects = chart.objects();
        for object in objects.0.iter().filter(|object| object["kind"] != "Pod") {
            for hook in ["helm.sh/hook", "argocd.argoproj.io/hook"] {
                assert!(!object.to_string().contains(hook), "{overlay}: {hook}: {object}");
            }
        }
        let job = objects.get("Job", "");
        // Where a sync would make it again at once, it can stay.
        assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 604_800, "{overlay}");
        let stays = chart.clone().set("frappe.bootstrap.ttlSecondsAfterFinished", json!(null)).objects();
        assert!(stays.get("Job", "")["spec"]["ttlSecondsAfterFinished"].is_null(), "{overlay}");
        assert!(job["spec"]["activeDeadlineSeconds"].is_null(), "{overlay}: a long migration is cut off");
        let own = &container(objects.pod("bootstrap"))["resources"];
        assert!(own["limits"]["memory"].is_string() && *own != container(objects.pod("web"))["resources"]);
        let inline = chart.set("frappe.bootstrap.mode", json!("inline")).objects();
        assert_eq!(inline.of_kind("Job").count(), 0, "{overlay}");
    }
}

#[test]
fn pods_roll_when_what_they_are_told_changes_and_else_stay() {
    let Some(chart) = Chart::new("pods_roll_when_what_they_are_told_changes_and_else_stay") else { return };
    let sum = |chart: &Chart, role: &str, of: &str| {
        let objects = chart.objects();
        objects.pod(role)["metadata"]["annotations"][format!("checksum/{of}")].clone()
    };
    let redis = chart.clone().set("frappe.redis.cacheHost", json!("other"));
    let password = |text: &str| chart.clone().set("frappe.site.adminPassword", json!(text));
    for role in ["web", "worker", "scheduler", "socketio", "bootstrap"] {
        assert!(sum(&chart, role, "config").is_string(), "{role}");
        assert_ne!(sum(&chart, role, "config"), sum(&redis, role, "config"), "{role}");
        // The Secret that is made of it is the bootstrap's business alone.
        let (one, two) = (sum(&password("a"), role, "secret"), sum(&password("b"), role, "secret"));
        assert_eq!(one != two, role == "bootstrap", "{role}");
        assert_eq!(one.is_string(), role == "bootstrap", "{role}");
    }
}

/// What comes up by itself: nothing that has to be fetched, one host.
#[test]
fn the_defaults_ask_for_nothing_that_is_not_there() {
    let Some(chart) = Chart::new("the_defaults_ask_for_nothing_that_is_not_there") else { return };
    let objects = chart.objects();
    for (role, pod) in objects.pods() {
        let main = container(pod);
        assert_eq!(main["image"], format!("{IMAGE}:0.2.0"), "{role}");
        for name in ["CAULDRON_APPS", "CAULDRON_GIT_AUTH", "STANDARD_APPS", "CUSTOM_APPS"] {
            assert_eq!(variable(main, name), None, "{role}");
        }
    }
    let site = variable(container(objects.pod("web")), "SITE_NAME").expect("a site");
    assert_eq!(objects.get("Ingress", "")["spec"]["rules"][0]["host"], site);
    let file = std::fs::read_to_string(super::helm::chart().join("Chart.yaml")).expect("Chart.yaml");
    assert!(!file.contains("dependencies"), "another chart is needed");
    assert_eq!(objects.of_kind("ConfigMap").count(), 0, "a script, or a file of configuration");
}
