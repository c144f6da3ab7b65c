//! Installs of wanted apps: from the image, with a missing required app, and with a failing install.

use crate::place::Place;
use crate::support::made_app::{MadeApp, pin_baked};

#[test]
fn an_app_of_the_image_that_was_never_installed_is_installed() {
    let place = Place::new();
    place.command("bootstrap").run().exits(0);
    let app = MadeApp::new("baked_app", "1.0.0");
    app.bake(&place.bench);
    // The app is in the image and not wanted: the site does not change.
    place.command("bootstrap").run().exits(0).event("site.up_to_date");
    assert_eq!(place.installed(), ["frappe"]);
    let list = pin_baked(&place.bench, &[&app]);
    place.command("bootstrap").set("CAULDRON_APPS", &list).run().exits(0);
    place.has_complete(&app);
    place.command("bootstrap").set("CAULDRON_APPS", list).run().exits(0).event("site.up_to_date");
}

#[test]
fn a_missing_required_app_is_reported_before_anything_changes() {
    let place = Place::new();
    place.command("bootstrap").run().exits(0);
    let needy = MadeApp::new("needy_app", "1.0.0").requires("absent_app");
    let ended = place.with("bootstrap", &[&needy]).run();
    ended.exits(78).refuses("app-not-found").says("needy_app requires absent_app");
    assert_eq!(place.installed(), ["frappe"]);
}

#[test]
fn an_image_with_the_app_uses_its_own_version() {
    let place = Place::new();
    let (one, two) = (MadeApp::new("both_app", "1.0.0"), MadeApp::new("both_app", "2.0.0"));
    place.bootstrap(&[&one]);
    two.bake(&place.bench);
    let list = pin_baked(&place.bench, &[&two]);
    let web = crate::place::Web::start(place.command("web").set("CAULDRON_APPS", list));
    assert_eq!(web.call("both_app.tasks.version"), r#""2.0.0""#);
}

#[test]
fn a_failed_install_is_reported_with_its_exception() {
    let place = Place::new();
    place.command("bootstrap").run().exits(0);
    let app = MadeApp::new("broken_app", "1.0.0");
    app.bake(&place.bench);
    let tasks = place.bench.path().join("apps/broken_app/broken_app/tasks.py");
    let body = "def leave_mark():\n    raise ValueError('no colour of that name')\n";
    std::fs::write(tasks, body).expect("a module");
    let list = pin_baked(&place.bench, &[&app]);
    let ended = place.command("bootstrap").set("CAULDRON_APPS", list).run().exits(75);
    let error = ended.stderr.lines().find(|line| line.starts_with("error:")).expect("an error");
    assert!(error.ends_with("exited with code 1: ValueError: no colour of that name"), "{error}");
}
