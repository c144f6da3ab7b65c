//! `plan` shows what `bootstrap` then does, and changes nothing itself.

use serde_json::Value;

use crate::examined::{DATABASE, Place, SITE};
use crate::support::snapshot;

/// Returns the plan as JSON, and asserts that making it changed nothing.
#[track_caller]
fn plan(place: &Place, code: i32) -> Value {
    let before = (snapshot::files(&place.bench), snapshot::cluster(&place.postgres));
    let ended = place.manifest("plan").argument("--format=json").run().exits(code);
    snapshot::same(&before.0, &snapshot::files(&place.bench));
    snapshot::same(&before.1, &snapshot::cluster(&place.postgres));
    serde_json::from_str(&ended.stdout).expect("one JSON object")
}

#[test]
fn from_nothing_to_a_finished_site() {
    let place = Place::empty();
    let seen = plan(&place, 0);
    assert_eq!(seen["row"]["action"], "create the site");
    assert_eq!(seen["steps"][1], "new-site");
    place.manifest("bootstrap").run().exits(0);
    let seen = plan(&place, 0);
    assert_eq!(
        (&seen["row"]["action"], seen["steps"].as_array().map(Vec::len)),
        (&"continue".into(), Some(0))
    );
    let report = place.manifest("plan").run().exits(0).stdout;
    assert!(report.lines().any(|line| line == "plan         continue"), "{report}");
}

/// The bootstrap migrates such a site once, regardless of its fingerprint.
#[test]
fn a_site_that_was_never_recorded_as_finished() {
    let place = Place::healthy();
    assert_eq!(plan(&place, 0)["gate"]["course"], "serve: nothing to migrate");
    place.postgres.run(DATABASE, "UPDATE __cauldron_state SET phase = 'idle'");
    let seen = plan(&place, 0);
    assert_eq!(seen["gate"]["relation"], "equal", "{seen}");
    assert_eq!(
        seen["gate"]["course"], "migrate; nothing is pending, so no requests or jobs are stopped",
        "{seen}"
    );
    assert_eq!(seen["steps"][0], "migrate", "{seen}");
    // Its creation was interrupted: it was never in use, so the gate does not apply.
    place.postgres.run(DATABASE, "UPDATE __cauldron_state SET phase = 'creating', attempt = 'cut'");
    let seen = plan(&place, 0);
    assert_eq!((&seen["gate"], &seen["steps"][0]), (&Value::Null, &"migrate".into()), "{seen}");
    place.examined().exits(0).reports("fingerprint", "info", "its creation is not recorded as finished");
}

#[test]
fn a_refusal_has_its_code_and_hint() {
    let place = Place::healthy();
    let folder = place.bench.sites().join(SITE);
    let away = place.bench.sites().join("away");
    std::fs::rename(&folder, &away).expect("the site's folder");
    let seen = plan(&place, 65);
    assert_eq!(seen["exit_code"], 65);
    let hint = seen["refusal"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("CAULDRON_ADOPT="), "{hint}");
    // The former key, for one minor version.
    assert_eq!(seen["refusal"]["mend"], hint);
    std::fs::rename(&away, &folder).expect("the site's folder");
    place.postgres.run("postgres", &format!("DROP DATABASE \"{DATABASE}\""));
    assert!(plan(&place, 65)["refusal"]["cause"].as_str().is_some_and(|cause| cause.contains("empty")));
}

#[test]
fn an_unreachable_server_is_reported_and_nothing_is_planned() {
    let mut place = Place::healthy();
    place.postgres.stop();
    place.manifest("plan").run().exits(69).says("error:");
    place.manifest("plan").unset("DB_HOST").set("DB_PORT", "abc").run().exits(78).says("DB_PORT");
}
