//! Installs of wanted apps: from the image, with a missing required app, and with a failing install.

use crate::stage::{OverlayStage, SITE};
use crate::support::made_app::{MadeApp, pin_baked};
use crate::support::web::Web;

#[test]
fn an_app_of_the_image_that_was_never_installed_is_installed() {
    let stage = OverlayStage::new();
    stage.created();
    let app = MadeApp::new("baked_app", "1.0.0");
    app.bake(&stage.bench);
    // The app is in the image and not wanted: the site does not change.
    stage.leader().run().exits(0).event("site.up_to_date");
    assert_eq!(stage.installed(), ["frappe"]);
    let list = pin_baked(&stage.bench, &[&app]);
    stage.leader().set("CAULDRON_APPS", &list).run().exits(0);
    stage.has_complete(&app);
    stage.leader().set("CAULDRON_APPS", list).run().exits(0).event("site.up_to_date");
}

/// Any command of Frappe, and any tick of a scheduler, leaves its map of modules in the cache Redis.
#[test]
fn an_app_gets_its_doctypes_although_the_cache_lacks_its_modules() {
    let stage = OverlayStage::new();
    stage.created();
    let list_apps =
        "cd sites && exec ../env/bin/python -m frappe.utils.bench_helper frappe --site apps.test list-apps";
    stage.manifest("exec -- sh -c").argument(list_apps).run().exits(0).prints("frappe");
    let cached: Vec<String> = stage.redis.ask(0, &["KEYS", "apps_test|app_modules:*"]);
    assert_eq!(cached.len(), 1, "{cached:?}");
    let app = MadeApp::new("late_app", "1.0.0");
    stage.bootstrap(&[&app]);
    stage.has_complete(&app);
    assert!(stage.session().is(r#"EXISTS (SELECT FROM "tabDocType" WHERE name = 'Late App Card')"#));
}

#[test]
fn a_missing_required_app_is_reported_before_anything_changes() {
    let stage = OverlayStage::new();
    stage.created();
    let needy = MadeApp::new("needy_app", "1.0.0").requires("absent_app");
    let ended = stage.with("bootstrap", &[&needy]).run();
    ended.exits(78).refuses("app-not-found").says("needy_app requires absent_app");
    assert_eq!(stage.installed(), ["frappe"]);
}

/// Frappe's own install-app asks api.github.com for the owner.
#[test]
fn a_required_app_of_the_bench_needs_no_owner() {
    let stage = OverlayStage::new();
    let base = MadeApp::new("base_app", "1.0.0");
    let top = MadeApp::new("top_app", "1.0.0").requires("base_app");
    stage.bootstrap(&[&base, &top]);
    stage.has_complete(&top);
    let command = format!(
        "cd sites && exec ../env/bin/python -m frappe.utils.bench_helper frappe --site {SITE} install-app --force top_app"
    );
    let frappes_own = stage.with("exec -- sh -c", &[&base, &top]).argument(&command).run();
    assert!(
        frappes_own.exit == 1 && frappes_own.to_string().contains("InvalidRemoteException"),
        "{frappes_own}"
    );
}

#[test]
fn an_image_with_the_app_uses_its_own_version() {
    let stage = OverlayStage::new();
    let (one, two) = (MadeApp::new("both_app", "1.0.0"), MadeApp::new("both_app", "2.0.0"));
    stage.bootstrap(&[&one]);
    two.bake(&stage.bench);
    let list = pin_baked(&stage.bench, &[&two]);
    let web = Web::ready(stage.manifest("web").set("CAULDRON_APPS", list));
    assert_eq!(web.call("both_app.tasks.version"), r#""2.0.0""#);
}

#[test]
fn a_failed_install_is_reported_with_its_exception() {
    let stage = OverlayStage::new();
    stage.created();
    let app = MadeApp::new("broken_app", "1.0.0");
    app.bake(&stage.bench);
    let tasks = stage.bench.path().join("apps/broken_app/broken_app/tasks.py");
    let body = "def leave_mark():\n    raise ValueError('no colour of that name')\n";
    std::fs::write(tasks, body).expect("a module");
    let list = pin_baked(&stage.bench, &[&app]);
    let ended = stage.leader().set("CAULDRON_APPS", list).run().exits(75);
    let error = ended.stderr.lines().find(|line| line.starts_with("error:")).expect("an error");
    assert!(error.ends_with("exited with code 1: ValueError: no colour of that name"), "{error}");
}
