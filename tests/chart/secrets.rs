//! Administrators' logins are where they are needed, and nothing secret is anywhere in plain text.

use serde_json::json;

use super::helm::{Chart, OVERLAYS, containers, variable};

const ADMINISTRATORS: [&str; 4] = ["DB_USER", "DB_PASSWORD", "ADMIN_PASSWORD", "ENCRYPTION_KEY"];

#[test]
fn the_bootstrap_alone_has_the_administrators_logins() {
    let Some(chart) = Chart::new("the_bootstrap_alone_has_the_administrators_logins") else { return };
    for overlay in OVERLAYS {
        let objects = chart.clone().overlay(overlay).objects();
        for (role, pod) in objects.pods() {
            for container in containers(pod) {
                let has = ADMINISTRATORS.iter().filter(|name| variable(container, name).is_some()).count();
                assert_eq!(has, if role == "bootstrap" { 3 } else { 0 }, "{overlay}, {role}");
                let mode = if role == "bootstrap" { "lead" } else { "follow" };
                if let Some(given) = variable(container, "CAULDRON_BOOTSTRAP") {
                    assert_eq!(given, mode, "{overlay}, {role}");
                }
            }
        }
        let mounts = objects.pods().iter().map(|(_, pod)| pod.to_string()).collect::<String>();
        assert!(!mounts.contains("secretName"), "{overlay}: a Secret is mounted");
    }
}

#[test]
fn the_bootstrap_alone_has_the_logins_of_git() {
    let Some(chart) = Chart::new("the_bootstrap_alone_has_the_logins_of_git") else { return };
    let auth = json!({"git.example.com": {"user": "oauth2", "token_file": "/run/secrets/git/token"}});
    let objects = chart.set("frappe.git", json!({"auth": auth, "secret": "git-logins"})).objects();
    for (role, pod) in objects.pods() {
        assert_eq!(pod.to_string().contains("git-logins"), role == "bootstrap", "{role}");
        let given = variable(super::helm::container(pod), "CAULDRON_GIT_AUTH");
        assert_eq!(given.is_some(), role == "bootstrap", "{role}");
        if let Some(given) = given {
            assert_eq!(serde_json::from_str::<serde_json::Value>(&given).expect("JSON"), auth);
        }
    }
}

/// Inline, the web pods are the ones that need them.
#[test]
fn inline_the_web_role_has_them() {
    let Some(chart) = Chart::new("inline_the_web_role_has_them") else { return };
    let objects = chart.set("frappe.bootstrap.mode", json!("inline")).objects();
    for (role, pod) in objects.pods() {
        let main = super::helm::container(pod);
        assert_eq!(variable(main, "DB_PASSWORD").is_some(), role == "web", "{role}");
    }
}

#[test]
fn secrets_are_referred_to() {
    let Some(chart) = Chart::new("secrets_are_referred_to") else { return };
    for overlay in OVERLAYS {
        let chart = chart.clone().overlay(overlay).set("frappe.redis.urlSecret", json!("redis-urls"));
        let objects = chart.objects();
        assert_eq!(objects.of_kind("Secret").count(), 0, "{overlay} makes a Secret");
        for (role, pod) in objects.pods() {
            for container in containers(pod) {
                for name in ["DB_PASSWORD", "ADMIN_PASSWORD", "REDIS_CACHE", "REDIS_QUEUE"] {
                    if let Some(given) = variable(container, name) {
                        assert!(given.contains("secretKeyRef"), "{overlay}, {role}: {name}={given}");
                    }
                }
            }
        }
    }
    // 0.1.0's plain password is in a Secret, and in no pod.
    let objects = chart.set("frappe.site.adminPassword", json!("canary-plain")).objects();
    assert!(objects.pods().iter().all(|(_, pod)| !pod.to_string().contains("canary-plain")));
}
