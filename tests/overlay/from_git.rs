//! From end to end: a repository, a list with it, and a site that has the app.

use std::fs;

use serde_json::{Value, json};

use crate::stage::OverlayStage;
use crate::support::binary::Binary;
use crate::support::git::Repository;
use crate::support::made_app::MadeApp;
use crate::support::stage::ready;
use crate::support::web::Web;

struct Source {
    repository: Repository,
    list: Value,
}

impl Source {
    fn of(app: &MadeApp) -> Self {
        let repository = Repository::empty();
        let list = json!([{"url": repository.url(), "branch": "main"}]);
        let source = Self { repository, list };
        source.publish(app);
        source
    }

    /// Commits a version as the branch's new head.
    fn publish(&self, app: &MadeApp) {
        let package = self.repository.path().join(&app.name);
        if package.exists() {
            fs::remove_dir_all(&package).expect("the previous version is removed");
        }
        app.write(self.repository.path());
        self.repository.commit(&app.version);
    }

    fn command(&self, stage: &OverlayStage, command: &str) -> Binary {
        stage.manifest(command).set("CAULDRON_APPS", &self.list)
    }
}

#[test]
fn a_branch_moves_on_request_and_is_migrated_to() {
    let stage = OverlayStage::new();
    let one = MadeApp::new("shop", "1.0.0");
    let source = Source::of(&one);
    let old = Web::ready(source.command(&stage, "web"));
    stage.has_complete(&one);
    assert_eq!(old.call("shop.tasks.version"), r#""1.0.0""#);
    source.publish(&MadeApp::new("shop", "2.0.0").with_patch("second"));
    // No update was requested.
    source.command(&stage, "bootstrap").run().exits(0).event("site.up_to_date");
    assert_eq!(stage.read("shop_second"), "");
    let updated = |command| source.command(&stage, command).set("CAULDRON_APPS_UPDATE", "release 2");
    let new = Web::ready(updated("web"));
    new.pod.event("migration.started");
    new.pod.event("migration.backup_taken");
    assert_eq!(stage.read("shop_second"), "ran\n");
    assert_eq!(new.call("shop.tasks.version"), r#""2.0.0""#);
    // The pod of the previous version continues to serve, with its own code.
    old.returns_eventually("shop.tasks.version", r#""1.0.0""#);
    updated("bootstrap").run().exits(0).event("site.up_to_date");
    assert_eq!(stage.read("shop_second"), "ran\n", "once");
}

#[test]
fn pods_start_without_the_repository() {
    let stage = OverlayStage::new();
    let source = Source::of(&MadeApp::new("shop", "1.0.0"));
    source.command(&stage, "bootstrap").run().exits(0);
    fs::remove_dir_all(source.repository.path().join(".git")).expect("the repository is removed");
    let web = Web::ready(source.command(&stage, "web"));
    assert_eq!(web.call("shop.tasks.version"), r#""1.0.0""#);
    let _worker = ready(source.command(&stage, "worker"));
    // A requested update fails with git's own reason, and serving pods continue.
    let moved = source.command(&stage, "bootstrap").set("CAULDRON_APPS_UPDATE", "release 2").run();
    assert_ne!(moved.exit, 0);
    moved.says("does not appear to be a git repository").says("check the path");
    assert_eq!(web.call("shop.tasks.version"), r#""1.0.0""#);
}

#[test]
fn a_volume_that_lost_the_pins_gets_them_from_the_database() {
    let stage = OverlayStage::new();
    let source = Source::of(&MadeApp::new("shop", "1.0.0"));
    source.command(&stage, "bootstrap").run().exits(0);
    source.publish(&MadeApp::new("shop", "2.0.0").with_patch("second"));
    for folder in ["apps", "bundles", "live"] {
        fs::remove_dir_all(stage.bench.sites().join(".cauldron").join(folder)).expect(folder);
    }
    let web = Web::ready(source.command(&stage, "web"));
    web.pod.event("app.pins_restored");
    assert_eq!(web.call("shop.tasks.version"), r#""1.0.0""#);
    assert_eq!(stage.read("shop_second"), "", "the branch's new head was not requested");
}
