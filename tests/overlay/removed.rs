//! An app that is removed from the list stays installed and served, with a warning, until `apps remove`.

use crate::killed::kill_with;
use crate::stage::{DATABASE, LONG, OverlayStage};
use crate::support::barrier::Barrier;
use crate::support::made_app::{MadeApp, pin_uninstalled};

#[test]
fn an_app_stays_until_it_is_removed() {
    let stage = OverlayStage::new();
    let (base, top) =
        (MadeApp::new("base_app", "1.0.0"), MadeApp::new("top_app", "1.0.0").requires("base_app"));
    stage.bootstrap(&[&base, &top]);
    let web = stage.web_with(&[]);
    web.pod.event("app.unwanted");
    assert_eq!(web.call("top_app.tasks.version"), r#""1.0.0""#);
    stage.with("apps remove base_app", &[&base, &top]).run().exits(78).refuses("app-still-wanted");
    stage.manifest("apps remove base_app").run().exits(78).refuses("app-required").says("top_app");
    stage.manifest("apps remove frappe").run().exits(78);
    stage.manifest("apps remove top_app").run().exits(0).event("app.removed").event("migration.backup_taken");
    assert_eq!(stage.installed(), ["frappe", "base_app"]);
    assert!(!stage.postgres.tables(DATABASE).contains(&"tabTop App Card".to_owned()));
    assert!(!stage.bench.sites().join(".cauldron/live/top_app").exists());
    // A second removal changes nothing.
    stage.manifest("apps remove top_app").run().exits(0).event("app.not_installed");
    assert_eq!(web.call("base_app.tasks.version"), r#""1.0.0""#);
}

#[test]
fn a_removal_that_is_refused_migrates_nothing() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    stage.bootstrap(&[&app]);
    let newer = MadeApp::new("one_app", "2.0.0").with_patch("second");
    let remove = |app: &str| stage.with(&format!("apps remove {app}"), &[&newer]).run().exits(78);
    for ended in [remove("one_app").refuses("app-still-wanted"), remove("frappe").refuses("app-required")] {
        assert!(!ended.stderr.contains("migration.started"), "{ended}");
    }
    // The control: there is something to migrate.
    stage.with("bootstrap", &[&newer]).run().exits(0).event("migration.started");
}

#[test]
fn a_killed_removal_is_finished_by_the_next_attempt() {
    let stage = OverlayStage::new();
    let app = MadeApp::new("one_app", "1.0.0");
    stage.bootstrap(&[&app]);
    let barrier = Barrier::at("uninstalled_doctypes:one_app");
    let mut command = stage.manifest("apps remove one_app");
    for (name, value) in barrier.environment() {
        command = command.set(name, value);
    }
    let pod = command.spawn();
    let held = barrier.wait(LONG);
    drop(pod);
    let _ = nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(held.pid as i32),
        nix::sys::signal::Signal::SIGKILL,
    );
    assert_eq!(stage.installed(), ["frappe", "one_app"]);
    stage.manifest("apps remove one_app").run().exits(0);
    assert_eq!(stage.installed(), ["frappe"]);
}

/// Without this, one app would keep every leader from its end.
#[test]
fn an_install_that_always_fails_can_be_given_up() {
    let stage = OverlayStage::new();
    stage.created();
    let app = MadeApp::new("broken_app", "1.0.0");
    let tasks = app.publish(&stage.bench).join("source/broken_app/tasks.py");
    std::fs::write(tasks, "def leave_mark():\n    raise ValueError('no colour')\n").expect("a module");
    for _ in 0..2 {
        stage.with("bootstrap", &[&app]).run().exits(75).says("install-app broken_app");
    }
    let list = pin_uninstalled(&stage.bench, &[&app]);
    let declined = || stage.leader().set("CAULDRON_APPS", &list);
    declined().run().exits(0).event("app.install_abandoned");
    stage.leader().run().exits(0).event("app.install_abandoned");
    stage.manifest("apps remove broken_app").run().exits(0).event("app.removed");
    assert!(!stage.postgres.tables(DATABASE).contains(&"tabBroken App Card".to_owned()));
    assert_eq!(stage.installed(), ["frappe"]);
    let ended = declined().run().exits(0).event("site.up_to_date");
    assert!(!ended.stderr.contains("app.install_abandoned"), "{ended}");
}

/// Frappe's list has the app only after its DocTypes.
#[test]
fn an_install_that_died_before_frappes_list_has_the_app_is_removed() {
    let stage = OverlayStage::new();
    stage.created();
    let app = MadeApp::new("one_app", "1.0.0");
    kill_with(&stage, &[&app], "doctypes:one_app");
    assert_eq!(stage.installed(), ["frappe"]);
    assert!(stage.postgres.tables(DATABASE).contains(&"tabOne App Card".to_owned()));
    stage.manifest("apps remove one_app").run().exits(0).event("app.removed");
    assert!(!stage.postgres.tables(DATABASE).contains(&"tabOne App Card".to_owned()));
    stage.bootstrap(&[&app]);
    stage.has_complete(&app);
}
