//! Keys of Frappe's files that work with another meaning than they seem to have, and the one warning.

use serde_json::{Value, json};

use crate::stage::{self, SITE, served};

#[test]
fn the_text_0_is_on_as_in_frappe() {
    let stage = stage::empty();
    stage.created();
    stage.edit_site_config(|config| {
        config.insert("maintenance_mode".into(), "0".into());
    });
    let mut python = stage.bench.program("env/bin/python");
    let code =
        "from frappe.context import init, local; init('erp.test'); print(bool(local.conf.maintenance_mode))";
    let output = python.args(["-c", code]).output().expect("python runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "True", "Frappe: {output:?}");
    let maintenance = |words: &str| stage.command(&format!("maintenance {words}")).run().exits(0);
    let status: Value = serde_json::from_str(&maintenance("status --format json").stdout).expect("JSON");
    assert_eq!(status["maintenance"], true, "{status}");
    stage.leader().run().exits(0).event("config.unused").says("counts as on in Frappe: write 0");
    let doctor = stage.manifest("doctor").run().exits(0);
    doctor.prints("every request is answered with 503").prints("maintenance_mode (site_config.json)");
    maintenance("off");
    assert!(!stage.site_config().contains_key("maintenance_mode"));
    served(stage.leader()).ping_and_stop();
}

#[test]
fn what_is_brought_and_not_used_is_named_in_one_warning() {
    let stage = stage::empty();
    stage.bench.configure(json!({"gunicorn_workers": 4, "webserver_port": 8000, "an_apps_own": "canary"}));
    let ended = stage.leader().set("CAULDRON_GRAC", "1s").run().exits(0).event("config.unused");
    let warnings: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("config.unused")).collect();
    let [warning] = &warnings[..] else { panic!("not one warning: {ended}") };
    for name in [
        "CAULDRON_GRAC, ",
        "gunicorn_workers (common_site_config.json)",
        "set GUNICORN_WORKERS",
        "webserver_port",
    ] {
        assert!(warning.contains(name), "{name}: {warning}");
    }
    assert!(!warning.contains("an_apps_own") && !warning.contains("canary"), "{warning}");
    // They stay in the file.
    assert_eq!(stage.bench.read_config("common_site_config.json")["gunicorn_workers"], 4);
    stage.manifest("doctor").run().exits(0).prints("gunicorn_workers (common_site_config.json)");
}

/// It has encrypted what the site saved: with another key nothing could be read.
#[test]
fn the_encryption_key_of_the_bench_becomes_the_sites_own() {
    let stage = stage::empty();
    stage.created();
    let key = stage.site_config()["encryption_key"].clone();
    stage.edit_site_config(|config| {
        config.remove("encryption_key");
    });
    stage.bench.configure(json!({ "encryption_key": key }));
    stage.manifest("doctor").run().exits(0).prints("the one in common_site_config.json");
    let other = "B".repeat(43) + "=";
    let refused = stage.leader().set("ENCRYPTION_KEY", &other).run().exits(78);
    refused.says("encryption_key (common_site_config.json)");
    assert!(!stage.site_config().contains_key("encryption_key"), "{SITE} is unchanged");
    stage.leader().run().exits(0);
    assert_eq!(stage.site_config()["encryption_key"], key);
}
