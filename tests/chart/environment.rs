//! What chart and compose give a role is what the binary takes: its own `--print-config` is asked.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::helm::{Chart, OVERLAYS, container, containers, repository, variable};

/// Variables that are not ours and mean something to what runs in the container.
const FOREIGN: [&str; 2] = ["HOME", "PYTHONPATH"];

/// A folder that looks like a bench to the configuration.
pub fn bench() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["apps/frappe", "env/bin", "sites"] {
        std::fs::create_dir_all(folder.path().join(part)).expect("a bench");
    }
    std::fs::write(folder.path().join("env/bin/python"), "").expect("a bench");
    folder
}

/// Runs the role's command with a container's variables: exit code, and all that it said.
pub fn print_config(bench: &Path, arguments: &[String], variables: &[(String, String)]) -> (i32, String) {
    let output = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_cauldron-frappe")))
        .args(arguments)
        .arg("--print-config")
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("CAULDRON_BENCH", bench)
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("a code"), said.into_owned())
}

/// The names in docs/configuration.md's table, which src/readme.rs holds against the code, and their aliases.
pub fn is_known(variable: &str) -> bool {
    let page = repository().join("docs/configuration.md");
    let page = std::fs::read_to_string(page).expect("docs/configuration.md");
    let table = page.split("<!-- variables -->").nth(1).expect("the table");
    let table = table.split("<!-- end of variables -->").next().expect("the table");
    FOREIGN.contains(&variable) || table.contains(&format!("`{variable}`"))
}

/// A secret's content is a stand-in: the chart knows where it is, not what it is.
pub fn variables(container: &Value) -> Vec<(String, String)> {
    let list = container["env"].as_array().expect("variables");
    list.iter()
        .map(|variable| {
            let name = variable["name"].as_str().expect("a name").to_owned();
            let value = match &variable["value"] {
                Value::String(text) => text.clone(),
                Value::Null if name.starts_with("REDIS_") => "redis://:secret@redis:6379/0".to_owned(),
                Value::Null if name == "ENCRYPTION_KEY" => format!("{}=", "A".repeat(43)),
                Value::Null => "stand-in".to_owned(),
                other => panic!("{name} is no string: {other}"),
            };
            (name, value)
        })
        .collect()
}

fn arguments(container: &Value) -> Vec<String> {
    let list = container["args"].as_array().expect("arguments");
    list.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

#[test]
fn every_container_of_every_overlay_is_accepted() {
    let Some(chart) = Chart::new("every_container_of_every_overlay_is_accepted") else { return };
    let bench = bench();
    let mut looked_at = 0;
    for overlay in OVERLAYS {
        let chart = chart
            .clone()
            .overlay(overlay)
            .set(
                "frappe.customApps",
                json!([{"name": "lore", "repo": "https://git.example.com/lore.git", "branch": "main"}]),
            )
            .set("frappe.site.encryptionKeySecret", json!("keys"))
            .set("frappe.db.directHost", json!("primary"))
            .set("frappe.db.directPort", json!(5433))
            .set("frappe.worker.maxMemory", json!("512Mi"))
            .set("frappe.web.gunicornWorkers", json!(3));
        for inline in ["job", "inline"] {
            let objects = chart.clone().set("frappe.bootstrap.mode", json!(inline)).objects();
            for (role, pod) in objects.pods() {
                for container in containers(pod) {
                    let given = variables(container);
                    for (name, _) in &given {
                        assert!(is_known(name), "{overlay}, {role}: {name} is not in docs/configuration.md");
                        assert_eq!(
                            given.iter().filter(|(other, _)| other == name).count(),
                            1,
                            "{role}: {name} twice"
                        );
                    }
                    let (code, said) = print_config(bench.path(), &arguments(container), &given);
                    assert_eq!(code, 0, "{overlay}, {role}: {said}");
                    looked_at += 1;
                }
            }
        }
    }
    // Four roles with wait-deps, and the Job where there is one.
    assert_eq!(looked_at, OVERLAYS.len() * (9 + 8));
}

/// The control: the same look finds a value that the binary refuses.
#[test]
fn a_value_that_the_binary_refuses_is_found() {
    let Some(chart) = Chart::new("a_value_that_the_binary_refuses_is_found") else { return };
    let bench = bench();
    let objects = chart.set("frappe.worker.pools", json!("long=many")).objects();
    let worker = container(objects.pod("worker"));
    let (code, said) = print_config(bench.path(), &arguments(worker), &variables(worker));
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("CAULDRON_POOL"), "{said}");
    assert!(!is_known("CAULDRON_POOLS"));
}

/// The web role knows the Ingress' hosts, unless the operator lists all hosts, or the Ingress has every host.
#[test]
fn the_web_role_knows_the_hosts_of_the_ingress() {
    let Some(chart) = Chart::new("the_web_role_knows_the_hosts_of_the_ingress") else { return };
    let told = |changes: &[(&str, Value)]| {
        let chart = changes.iter().fold(chart.clone(), |chart, (path, value)| chart.set(path, value.clone()));
        let objects = chart.objects();
        let of = |role: &str| variable(container(objects.pod(role)), "CAULDRON_INGRESS_HOSTS");
        assert_eq!(["worker", "scheduler", "socketio"].map(of), [const { None }; 3]);
        of("web")
    };
    let hosts = |names: &[&str]| {
        let hosts: Vec<Value> = names.iter().map(|name| json!({"host": name})).collect();
        ("frappe.ingress.hosts", Value::from(hosts))
    };
    assert_eq!(told(&[("frappe.site.name", json!("erp.example.com"))]).as_deref(), Some("erp.example.com"));
    let several = hosts(&["erp.example.com", "*.shop.example.com", "erp.example.com"]);
    assert_eq!(told(std::slice::from_ref(&several)).as_deref(), Some("erp.example.com *.shop.example.com"));
    assert_eq!(told(&[several.clone(), ("frappe.web.hosts", json!("erp.example.com"))]), None);
    assert_eq!(told(&[several, ("frappe.ingress.enabled", json!(false))]), None);
    assert_eq!(told(&[hosts(&["erp.example.com", ""])]), None);
}
