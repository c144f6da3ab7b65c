//! `plan` shows what `bootstrap` then does, and changes nothing itself.

use std::fs;

use serde_json::{Value, json};

use crate::stage::{self, DATABASE, SITE, examine};
use crate::support::git::Repository;
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

/// The texts of the steps, and whether the history knows the duration of each.
fn timed(plan: &Value) -> Vec<(String, bool)> {
    let steps = plan["timed_steps"].as_array().expect("steps").iter();
    let timed: Vec<_> =
        steps.map(|step| (step["step"].as_str().expect("a text").into(), step["last_ms"].is_u64())).collect();
    let texts: Vec<_> = timed.iter().map(|(text, _)| json!(text)).collect();
    assert_eq!(plan["steps"], json!(texts), "both lists have the same steps");
    timed
}

#[test]
fn every_step_of_wanted_apps_with_its_last_duration() {
    let shop = Repository::with_app("shop");
    let list = json!([{"name": "shop", "url": shop.url(), "branch": "main"}]);
    let stage = stage::empty().set("CAULDRON_APPS", &list);
    let (fetch, publish) = (
        format!("fetch shop (branch main of {})", shop.url()),
        "publish shop: requirements, assets and bytecode".to_owned(),
    );
    let steps = |all: &[(&str, bool)]| -> Vec<(String, bool)> {
        all.iter().map(|(text, is_known)| ((*text).to_owned(), *is_known)).collect()
    };
    assert_eq!(
        timed(&plan(&stage, 0)),
        steps(&[
            ("create role and database if they do not exist", false),
            (&fetch, false),
            (&publish, false),
            ("new-site", false),
            ("enable-scheduler", false),
            ("ensure an encryption key", false),
            ("install-app shop", false),
            ("record the site as finished", false),
        ])
    );
    let mut done =
        stage.manifest("bootstrap").run().exits(0).event("bundle.published").event("app.installed");
    for step in ["new-site", "enable-scheduler", "install-app shop"] {
        done = done.says(&format!("\"step\":\"{step}\""));
    }
    assert_eq!(timed(&plan(&stage, 0)), []);
    // The bundle is lost, and the app was uninstalled by hand: all of this was done here before.
    fs::remove_dir_all(stage.bench.sites().join(".cauldron/bundles")).expect("the bundles are removed");
    let sql = r#"update "tabDefaultValue" set defvalue = '["frappe"]' where defkey = 'installed_apps'"#;
    stage.session().run(sql);
    let later = "migrate, if the published apps require it: this can be planned only then";
    let pinned = [(&*fetch, true), (&publish, true), (later, false), ("install-app shop", true)];
    assert_eq!(timed(&plan(&stage, 0)), steps(&pinned));
    let report = stage.manifest("plan").run().exits(0).prints(&format!("  1. {fetch}; last time: "));
    let report = report.prints(&format!("  3. {later}; last time: unknown\n"));
    assert!(!report.stdout.contains("install-app shop; last time: unknown"), "{}", report.stdout);
}

#[test]
fn a_branch_that_may_move_is_fetched_only_if_it_did() {
    let shop = Repository::with_app("shop");
    // Without a name, the package is known from the commit that was published before.
    let list = json!([{"url": shop.url(), "branch": "main"}]);
    let stage = stage::empty().set("CAULDRON_APPS", &list);
    stage.created();
    let stage = stage.set("CAULDRON_APPS_UPDATE", "1");
    let seen = timed(&plan(&stage, 0));
    let ending = format!(" (branch main of {}), if its commit is not published yet", shop.url());
    assert!(seen[0].0.ends_with(&ending) && seen[0].1, "{seen:?}");
    assert_eq!(seen.len(), 3, "shop is installed: {seen:?}");
    stage.manifest("bootstrap").run().exits(0).event("site.up_to_date");
    assert_eq!(timed(&plan(&stage, 0)), []);
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
    assert_eq!(
        seen["steps"],
        json!([
            "import every app and find every pending patch",
            "back up the database",
            "migrate: 0 patches, 0 changed DocType(s)",
            "clear caches, and reload the code in web",
            "record the site as finished",
        ]),
        "{seen}"
    );
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
    fs::rename(&folder, &away).expect("the site's folder");
    let seen = plan(&stage, 65);
    assert_eq!(seen["exit_code"], 65);
    let hint = seen["refusal"]["hint"].as_str().expect("a hint");
    assert!(hint.contains("CAULDRON_ADOPT="), "{hint}");
    // The former key, for one minor version.
    assert_eq!(seen["refusal"]["mend"], hint);
    fs::rename(&away, &folder).expect("the site's folder");
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
