//! The whole way: a repository, a list that names it, and a site that has the app.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, Web};
use crate::support::binary::Binary;
use crate::support::git::Repository;
use crate::support::made_app::MadeApp;

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

    /// The branch's new head.
    fn publish(&self, app: &MadeApp) {
        let package = self.repository.path().join(&app.name);
        if package.exists() {
            fs::remove_dir_all(&package).expect("the version before goes");
        }
        app.write(self.repository.path());
        self.repository.commit(&app.version);
    }

    fn asks(&self, place: &Place, command: &str) -> Binary {
        place.command(command).set("CAULDRON_APPS", &self.list)
    }
}

#[test]
fn a_branch_moves_when_told_and_is_migrated_to() {
    let place = Place::new();
    let one = MadeApp::new("shop", "1.0.0");
    let source = Source::of(&one);
    let old = Web::start(source.asks(&place, "web"));
    place.has_whole(&one);
    assert_eq!(old.call("shop.tasks.version"), r#""1.0.0""#);
    source.publish(&MadeApp::new("shop", "2.0.0").with_patch("second"));
    // Nobody told it to move.
    source.asks(&place, "bootstrap").run().exits(0).says("nothing to do");
    assert_eq!(place.read("shop_second"), "");
    let told = |command| source.asks(&place, command).set("CAULDRON_APPS_UPDATE", "release 2");
    let new = Web::start(told("web"));
    new.pod.says("migrating to this code");
    new.pod.says("backed up the database");
    assert_eq!(place.read("shop_second"), "ran\n");
    assert_eq!(new.call("shop.tasks.version"), r#""2.0.0""#);
    // The pod of the version before serves on, with its own code.
    old.comes_to("shop.tasks.version", r#""1.0.0""#);
    told("bootstrap").run().exits(0).says("nothing to do");
    assert_eq!(place.read("shop_second"), "ran\n", "once");
}

#[test]
fn pods_start_when_the_repository_is_gone() {
    let place = Place::new();
    let source = Source::of(&MadeApp::new("shop", "1.0.0"));
    source.asks(&place, "bootstrap").run().exits(0);
    fs::remove_dir_all(source.repository.path().join(".git")).expect("the repository goes");
    let web = Web::start(source.asks(&place, "web"));
    assert_eq!(web.call("shop.tasks.version"), r#""1.0.0""#);
    let mut worker = source.asks(&place, "worker").start();
    worker.answers("/readyz", 200);
    // Told to move, it cannot; git's own words say why, and what serves goes on.
    let moved = source.asks(&place, "bootstrap").set("CAULDRON_APPS_UPDATE", "release 2").run();
    assert_ne!(moved.exit, 0);
    moved.says("does not appear to be a git repository").says("check the path");
    assert_eq!(web.call("shop.tasks.version"), r#""1.0.0""#);
}

#[test]
fn a_volume_that_lost_the_commits_takes_them_from_the_database() {
    let place = Place::new();
    let source = Source::of(&MadeApp::new("shop", "1.0.0"));
    source.asks(&place, "bootstrap").run().exits(0);
    source.publish(&MadeApp::new("shop", "2.0.0").with_patch("second"));
    for folder in ["apps", "bundles", "live"] {
        fs::remove_dir_all(place.bench.sites().join(".cauldron").join(folder)).expect(folder);
    }
    let web = Web::start(source.asks(&place, "web"));
    web.pod.says("taken from the database");
    assert_eq!(web.call("shop.tasks.version"), r#""1.0.0""#);
    assert_eq!(place.read("shop_second"), "", "what the branch came to meanwhile is nobody's order");
}
