//! `plan` shows what `bootstrap` then does, and changes nothing itself.

use serde_json::Value;

use crate::stage::{self, DATABASE, SITE, examine};
use crate::support::stage::Stage;

/// Returns the plan as JSON, and asserts that making it changed nothing.
#[track_caller]
fn plan(stage: &Stage, code: i32) -> Value {
    let before = stage.snapshot();
    let ended = stage.manifest("plan").argument("--format=json").run().exits(code);
    stage.is_unchanged_since(&before);
    serde_json::from_str(&ended.stdout).expect("one JSON object")
}

#[test]
fn from_nothing_to_a_finished_site() {
    let stage = stage::empty();
    let seen = plan(&stage, 0);
    assert_eq!(seen["row"]["action"], "create the site");
    assert_eq!(seen["steps"][1], "new-site");
    stage.created();
    let seen = plan(&stage, 0);
    assert_eq!(
        (&seen["row"]["action"], seen["steps"].as_array().map(Vec::len)),
        (&"continue".into(), Some(0))
    );
    let report = stage.manifest("plan").run().exits(0).stdout;
    assert!(report.lines().any(|line| line == "plan         continue"), "{report}");
}

/// The bootstrap migrates such a site once, regardless of its fingerprint.
#[test]
fn a_site_that_was_never_recorded_as_finished() {
    let stage = stage::healthy();
    assert_eq!(plan(&stage, 0)["gate"]["course"], "serve: nothing to migrate");
    stage.postgres.run(DATABASE, "UPDATE __cauldron_state SET phase = 'idle'");
    let seen = plan(&stage, 0);
    assert_eq!(seen["gate"]["relation"], "equal", "{seen}");
    assert_eq!(
        seen["gate"]["course"], "migrate; nothing is pending, so no requests or jobs are stopped",
        "{seen}"
    );
    assert_eq!(seen["steps"][0], "migrate", "{seen}");
    // Its creation was interrupted: it was never in use, so the gate does not apply.
    stage.postgres.run(DATABASE, "UPDATE __cauldron_state SET phase = 'creating', attempt = 'cut'");
    let seen = plan(&stage, 0);
    assert_eq!((&seen["gate"], &seen["steps"][0]), (&Value::Null, &"migrate".into()), "{seen}");
    examine(&stage).exits(0).reports("fingerprint", "info", "its creation is not recorded as finished");
}

#[test]
fn a_refusal_has_its_code_and_hint() {
    let stage = stage::healthy();
    let folder = stage.bench.sites().join(SITE);
    let away = stage.bench.sites().join("away");
    std::fs::rename(&folder, &away).expect("the site's folder");
    let seen = plan(&stage, 65);
    assert_eq!(seen["exit_code"], 65);
    let hint = seen["refusal"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("CAULDRON_ADOPT="), "{hint}");
    // The former key, for one minor version.
    assert_eq!(seen["refusal"]["mend"], hint);
    std::fs::rename(&away, &folder).expect("the site's folder");
    stage.postgres.run("postgres", &format!("DROP DATABASE \"{DATABASE}\""));
    assert!(plan(&stage, 65)["refusal"]["cause"].as_str().is_some_and(|cause| cause.contains("empty")));
}

#[test]
fn an_unreachable_server_is_reported_and_nothing_is_planned() {
    let mut stage = stage::healthy();
    stage.postgres.stop();
    stage.manifest("plan").run().exits(69).says("error:");
    stage.manifest("plan").unset("DB_HOST").set("DB_PORT", "abc").run().exits(78).says("DB_PORT");
}
