//! `CAULDRON_COMMON_SITE_CONFIG`: keys are written, changed and removed, and keys of others stay.

use std::fs;

use serde_json::{Value, json};

use super::mounts::{file_mount, mounted};
use super::{configure, file, read, write};
use crate::support::bench::Bench;
use crate::support::binary::{Binary, Ended};

const SETTING: &str = "CAULDRON_COMMON_SITE_CONFIG";
const RECORD: &str = "cauldron_written_keys";

fn given(bench: &Bench, keys: Value) -> Binary {
    configure(bench).set("DB_HOST", "pg").set(SETTING, keys)
}

/// Asserts that no value is shown.
#[track_caller]
fn hidden(ended: Ended) {
    assert!(!ended.to_string().contains("canary"), "{ended}");
}

/// The file without the record.
fn keys(bench: &Bench) -> Value {
    let mut keys = bench.read_config("common_site_config.json");
    keys.remove(RECORD);
    Value::Object(keys)
}

#[test]
fn keys_come_change_and_go_and_those_of_others_stay() {
    let bench = Bench::sample();
    write(&bench, r#"{"theirs": {"a": [1]}, "default_site": "erp.test"}"#);
    let first = json!({"limits": {"users": 5}, "mail_password": "canary", "off": null});
    hidden(given(&bench, first.clone()).run().exits(0).event("config.written"));
    let base = json!({"theirs": {"a": [1]}, "default_site": "erp.test", "db_type": "postgres", "db_host": "pg", "db_port": 5432});
    let with = |more: Value| {
        let mut all = base.as_object().expect("keys").clone();
        all.extend(more.as_object().expect("keys").clone());
        Value::Object(all)
    };
    assert_eq!(keys(&bench), with(json!({"limits": {"users": 5}, "mail_password": "canary"})));
    let before = fs::metadata(file(&bench)).expect("the file").modified().expect("a time");
    given(&bench, first).run().exits(0).event("config.unchanged");
    assert_eq!(fs::metadata(file(&bench)).expect("the file").modified().expect("a time"), before);
    // Without the variable, nothing is removed: a command in another pod does not have it.
    configure(&bench).set("DB_HOST", "pg").run().exits(0).event("config.unchanged");
    // Changed, removed by null, removed by omission.
    given(&bench, json!({"limits": {"users": 6}, "mail_password": null})).run().exits(0);
    assert_eq!(keys(&bench), with(json!({"limits": {"users": 6}})));
    given(&bench, json!({})).run().exits(0);
    assert_eq!(keys(&bench), base);
    assert!(!read(&bench).contains(RECORD), "{}", read(&bench));
}

/// Frappe's `update_site_config` sorts and respells the whole file.
#[test]
fn a_key_that_somebody_else_changed_stays_and_one_that_frappe_only_respelled_goes() {
    let bench = Bench::sample();
    given(&bench, json!({"changed": 1, "kept": {"z": 1.0, "a": "ü"}})).run().exits(0);
    let script = "import json,sys\np=sys.argv[1]\nd=json.load(open(p))\nd['changed']=2\n\
                  open(p,'w').write(json.dumps(d,indent=1,sort_keys=True))";
    let python = std::process::Command::new("python3").args(["-c", script]).arg(file(&bench)).status();
    assert!(python.is_ok_and(|status| status.success()));
    assert!(read(&bench).contains("\\u00fc"), "the control: {}", read(&bench));
    given(&bench, json!({})).run().exits(0);
    assert_eq!(keys(&bench)["changed"], 2);
    assert!(keys(&bench).get("kept").is_none(), "{}", read(&bench));
}

/// The list that is in the file already, of somebody else, needs no write and is no obstacle.
#[test]
fn a_file_that_cannot_be_written_is_refused_by_the_names_of_its_missing_keys() {
    let bench = Bench::sample();
    write(
        &bench,
        r#"{"db_type": "postgres", "db_host": "pg", "db_port": 5432, "default_site": "erp.test", "limits": {"users": 5}}"#,
    );
    let run = |keys: Value| mounted("given_keys_and_a_mount", &file_mount(&bench), given(&bench, keys));
    let Some(same) = run(json!({"limits": {"users": 5}})) else { return };
    same.exits(0);
    let other = run(json!({"limits": {"users": 5}, "mail_password": "canary"})).expect("a mount");
    hidden(other.exits(78).says("differs in: mail_password").says("add those keys"));
}

/// A secret may be in a file, on several lines.
#[test]
fn the_list_may_be_a_file() {
    let bench = Bench::sample();
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("keys.json");
    fs::write(&list, "{\n\t\"mail_password\": \"canary\"\n}\n").expect("a file");
    let named = configure(&bench).set(&format!("{SETTING}_FILE"), list.display());
    hidden(named.clone().run().exits(0));
    assert_eq!(keys(&bench)["mail_password"], "canary");
    let shown = named.argument("--print-config").run().exits(0);
    assert!(shown.stdout.contains(SETTING) && !shown.to_string().contains("canary"), "{shown}");
}
