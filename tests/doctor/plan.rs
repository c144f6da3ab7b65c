//! `plan` says what `bootstrap` then does, and does nothing itself.

use serde_json::Value;

use crate::examined::{DATABASE, Place, SITE};
use crate::support::snapshot;

/// The plan as JSON, which changed nothing.
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
    assert_eq!((&seen["row"]["action"], seen["steps"].as_array().map(Vec::len)), (&"go on".into(), Some(0)));
    let told = place.manifest("plan").run().exits(0).stdout;
    assert!(told.lines().any(|line| line == "plan         go on"), "{told}");
}

/// The bootstrap migrates such a site once, whatever its fingerprint is.
#[test]
fn a_site_that_was_never_recorded_as_finished() {
    let place = Place::healthy();
    assert_eq!(plan(&place, 0)["gate"]["course"], "serve: nothing is to be migrated");
    place.postgres.run(DATABASE, "UPDATE __cauldron_state SET phase = 'idle'");
    let seen = plan(&place, 0);
    assert_eq!(seen["gate"]["relation"], "equal", "{seen}");
    assert_eq!(seen["gate"]["course"], "migrate; nothing is pending, so nobody is stopped", "{seen}");
    assert_eq!(seen["steps"][0], "migrate", "{seen}");
    // Its creation was cut off: nobody worked with it, and no gate is asked.
    place.postgres.run(DATABASE, "UPDATE __cauldron_state SET phase = 'creating', attempt = 'cut'");
    let seen = plan(&place, 0);
    assert_eq!((&seen["gate"], &seen["steps"][0]), (&Value::Null, &"migrate".into()), "{seen}");
    place.examined().exits(0).tells("fingerprint", "info", "its creation is not recorded as finished");
}

#[test]
fn a_refusal_is_told_with_its_code_and_its_mend() {
    let place = Place::healthy();
    let folder = place.bench.sites().join(SITE);
    let away = place.bench.sites().join("away");
    std::fs::rename(&folder, &away).expect("the site's folder");
    let seen = plan(&place, 65);
    assert_eq!(seen["exit_code"], 65);
    let hint = seen["refusal"]["mend"].as_str().expect("a mend");
    assert!(hint.contains("CAULDRON_ADOPT="), "{hint}");
    std::fs::rename(&away, &folder).expect("the site's folder");
    place.postgres.run("postgres", &format!("DROP DATABASE \"{DATABASE}\""));
    assert!(plan(&place, 65)["refusal"]["cause"].as_str().is_some_and(|cause| cause.contains("empty")));
}

#[test]
fn what_cannot_be_asked_is_told_and_nothing_planned() {
    let mut place = Place::healthy();
    place.postgres.stop();
    place.manifest("plan").run().exits(69).says("error:");
    place.manifest("plan").unset("DB_HOST").set("DB_PORT", "abc").run().exits(78).says("DB_PORT");
}
