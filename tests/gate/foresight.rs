//! `plan` and `doctor` show how this code relates to the database and what a leader would do; they change nothing.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::release::full_name;
use crate::stage::GateStage;
use crate::support::bench::Bench;
use crate::support::snapshot;

/// Returns the plan of an image as JSON, after checking that nothing was changed.
#[track_caller]
fn plan(stage: &GateStage, bench: &Bench, code: i32) -> Value {
    let before = (snapshot::files(stage.old()), snapshot::cluster(&stage.postgres));
    let ended = stage.leader_on(bench).with_command("plan").argument("--format=json").run().exits(code);
    snapshot::same(&before.0, &snapshot::files(stage.old()));
    snapshot::same(&before.1, &snapshot::cluster(&stage.postgres));
    serde_json::from_str(&ended.stdout).expect("one JSON object")
}

/// Returns the severity and the text of one of doctor's findings.
#[track_caller]
fn doctor(stage: &GateStage, bench: &Bench, id: &str) -> (String, String) {
    let ended = stage.leader_on(bench).with_command("doctor").argument("--format=json").run();
    let report: Value = serde_json::from_str(&ended.stdout).expect("one JSON object");
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["id"] == id).expect("the finding");
    let text = |key: &str| found[key].as_str().expect("text").to_owned();
    (text("severity"), text("detail") + " " + &text("hint"))
}

#[test]
fn a_new_release_before_and_after_it_was_migrated_to() {
    let stage = GateStage::with_release();
    let old = plan(&stage, stage.old(), 0);
    assert_eq!((&old["gate"]["relation"], &old["steps"]), (&json!("equal"), &json!([])), "{old}");
    assert_eq!(doctor(&stage, stage.old(), "fingerprint").0, "ok");
    let new = plan(&stage, &stage.new, 0);
    assert_eq!(new["gate"]["relation"], "newer", "{new}");
    assert_eq!(new["gate"]["pending"]["patches"], json!([full_name("two")]), "{new}");
    assert_eq!(new["gate"]["pending"]["doctypes"], json!(["Note"]), "{new}");
    assert!(new["steps"].as_array().is_some_and(|steps| steps.contains(&json!("maintenance"))), "{new}");
    let text = stage.leader_on(&stage.new).with_command("plan").run().exits(0);
    text.prints("this code    newer: ").prints("pending      1 patch, 1 changed DocType(s)");
    let (severity, words) = doctor(&stage, &stage.new, "fingerprint");
    assert!(severity == "info" && words.contains(&full_name("two")), "{severity} {words}");
    stage.leader_on(&stage.new).run().exits(0);
    assert_eq!(plan(&stage, &stage.new, 0)["gate"]["relation"], "equal");
    let rolled_back = plan(&stage, stage.old(), 0);
    assert_eq!(rolled_back["gate"]["relation"], "rolled back", "{rolled_back}");
    assert_eq!(rolled_back["steps"], json!([]), "{rolled_back}");
    assert_eq!(doctor(&stage, stage.old(), "fingerprint").0, "warning");
    // The history of migrations gives the estimate of the next one.
    stage.release().patch("three", "pass");
    let next = plan(&stage, &stage.new, 0);
    assert!(next["gate"]["estimate_s"].as_i64().is_some_and(|estimate_s| estimate_s > 0), "{next}");
}

#[test]
fn code_that_would_be_refused() {
    let stage = GateStage::new();
    stage.release().version("15.54.0").patch("two", "pass");
    let older = plan(&stage, &stage.new, 65);
    assert_eq!(older["gate"]["relation"], "older", "{older}");
    assert!(older["refusal"]["hint"].as_str().is_some_and(|hint| hint.contains("CAULDRON_ALLOW_DOWNGRADE=")));
    assert_eq!(doctor(&stage, &stage.new, "fingerprint").0, "error");
    let stage = GateStage::new();
    stage.release().without_doctype("desk/doctype/note/note");
    let unknown = plan(&stage, &stage.new, 65);
    assert_eq!(unknown["gate"]["relation"], "unknown", "{unknown}");
    assert_eq!(unknown["gate"]["pending"]["to_be_deleted"], json!(["Note"]), "{unknown}");
    let sql =
        r#"update "tabDefaultValue" set defvalue = '["frappe", "crm"]' where defkey = 'installed_apps'"#;
    stage.session().run(sql);
    let incomplete = plan(&stage, &stage.new, 78);
    assert_eq!(incomplete["gate"]["relation"], "incomplete", "{incomplete}");
}

#[test]
fn an_interrupted_migration_is_shown_with_the_options() {
    let stage = GateStage::with_release();
    stage.release().patch("three", "assert False, 'not today'");
    let leader = stage.leader_on(&stage.new).start();
    leader.says("\"after_a_change\":true");
    leader.signal(Signal::SIGTERM);
    leader.end().exits(143);
    let old = plan(&stage, stage.old(), 75);
    assert!(old["refusal"]["cause"].as_str().is_some_and(|cause| cause.contains("migrate --retry")), "{old}");
    let (severity, words) = doctor(&stage, stage.old(), "gate");
    assert!(severity == "error" && words.contains("not today"), "{severity} {words}");
    let new = plan(&stage, &stage.new, 0);
    let steps = new["steps"].as_array().expect("steps");
    assert!(!steps.contains(&json!("back up the database")), "the earlier backup is kept: {new}");
    assert_eq!(doctor(&stage, &stage.new, "fingerprint").0, "info");
}

/// The next leader will treat the migration as interrupted, so `plan` shows that.
#[test]
fn a_migration_whose_leader_died() {
    let stage = GateStage::with_release();
    stage.session().run(
        r#"update __cauldron_state set gate = '{"stage": "migrating", "target": "aaaaaaaaaaaaaaaaaaaa"}'"#,
    );
    let old = plan(&stage, stage.old(), 75);
    assert!(old["refusal"]["cause"].as_str().is_some_and(|cause| cause.contains("its leader died")), "{old}");
    assert_eq!(old["gate"]["stage"], "migrating", "the recorded stage: {old}");
    assert_eq!(doctor(&stage, stage.old(), "fingerprint").0, "error");
    let (severity, words) = doctor(&stage, stage.old(), "gate");
    assert!(severity == "warning" && words.contains("was lost at stage migrating"), "{severity} {words}");
    let new = plan(&stage, &stage.new, 0);
    let steps = new["steps"].as_array().expect("steps");
    assert!(!steps.contains(&json!("back up the database")), "{new}");
    // The leader then acts accordingly.
    stage.leader_on(stage.old()).run().exits(75).event("migration.blocked").refuses("migration-interrupted");
    stage.leader_on(&stage.new).run().exits(0);
}
