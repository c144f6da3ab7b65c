//! Code that is older, or incomplete, or not known to be newer, never migrates.

use crate::release::LATER;
use crate::stage::{GateStage, LONG, SITE};
use crate::support::wait::eventually;

const EARLIER: &str = "2001-01-01 00:00:00.000000";

fn refusal_id(text: &str) -> String {
    let (_, rest) = text.split_once("CAULDRON_ALLOW_DOWNGRADE=").expect("an id");
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().expect("an id").to_owned()
}

#[test]
fn a_lower_version_migrates_only_with_the_id_of_its_refusal() {
    let stage = GateStage::new();
    stage.release().version("15.54.0").patch("two", "pass");
    let before = stage.state("fingerprint");
    let refused = stage.leader_on(&stage.new).run().exits(65).refuses("code-not-newer");
    let refused = refused.says("frappe is 15.54.0 here, and 15.55.1");
    assert_eq!(stage.state("fingerprint"), before);
    assert_eq!(stage.logged("two"), "0");
    // A wrong value, such as one left behind in a manifest, has no effect.
    stage.leader_on(&stage.new).set("CAULDRON_ALLOW_DOWNGRADE", "1").run().exits(65);
    let id = refusal_id(&refused.stderr);
    stage
        .leader_on(&stage.new)
        .set("CAULDRON_ALLOW_DOWNGRADE", &id)
        .run()
        .exits(0)
        .event("migration.downgrade_allowed");
    assert_eq!(stage.logged("two"), "1");
    stage.release().patch("three", "pass");
    stage.leader_on(&stage.new).set("CAULDRON_ALLOW_DOWNGRADE", &id).run().exits(0);
}

/// The negative control: without the rule this migrate would delete the DocType.
#[test]
fn an_unknown_doctype_is_not_deleted_by_code_that_is_not_newer() {
    let stage = GateStage::new();
    stage.release().without_doctype("desk/doctype/note/note");
    stage.leader_on(&stage.new).run().exits(65).says("migrate would delete DocTypes: Note");
    let there = "exists (select from \"tabDocType\" where name = 'Note')";
    assert!(stage.session().is(there));
    let migrated = stage.new.run(&["--site", SITE, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    assert!(!stage.session().is(there), "Frappe's own migrate deletes it");
}

/// A release that drops a DocType is recognized as newer by its version or by a new patch.
#[test]
fn a_newer_release_may_drop_a_doctype() {
    let stage = GateStage::new();
    stage.release().version("15.56.0").without_doctype("desk/doctype/note/note");
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    assert!(!stage.session().is("exists (select from \"tabDocType\" where name = 'Note')"));
}

#[test]
fn older_doctypes_never_overwrite_newer_ones() {
    let stage = GateStage::new();
    stage.release().field("desk/doctype/note/note", "colour", EARLIER);
    stage.leader_on(&stage.new).run().exits(65).says("the database has newer DocTypes than this code: Note");
    stage.release().field("desk/doctype/tag/tag", "colour", LATER);
    stage.leader_on(&stage.new).run().exits(65).says("Note");
}

#[test]
fn code_without_an_installed_app_is_refused() {
    let stage = GateStage::new();
    stage.release().version("15.56.0");
    let sql =
        r#"update "tabDefaultValue" set defvalue = '["frappe", "crm"]' where defkey = 'installed_apps'"#;
    stage.session().run(sql);
    stage
        .leader_on(&stage.new)
        .run()
        .exits(78)
        .refuses("code-incomplete")
        .says("not importable in this image: crm; nothing was changed");
    let mut worker = stage.command_on(&stage.new, "worker").set("WORKER_QUEUES", "default").start();
    worker.answers("/readyz", 503);
    eventually(LONG, "it names the missing app", || {
        worker.body("/readyz?verbose").contains("not importable in this pod: crm").then_some(())
    });
}

/// Neither versions nor patches decide; the app's own repository does.
#[test]
fn the_repository_decides_if_versions_do_not() {
    let stage = GateStage::in_repositories();
    stage.release().without_doctype("desk/doctype/note/note").hooks("app_color = 'blue'");
    let refused = stage.leader_on(&stage.new).run().exits(65).says("migrate would delete DocTypes: Note");
    assert!(refused.stderr.contains("nothing proves it newer"), "{refused}");
    stage.release().commit();
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    assert!(!stage.session().is("exists (select from \"tabDocType\" where name = 'Note')"));
    // At the previous commit, with an uncommitted patch: new patches alone would prove it newer.
    stage.release().check_out("HEAD~1").patch("two", "pass");
    stage
        .leader_on(&stage.new)
        .run()
        .exits(65)
        .says("the commit of frappe is an ancestor of the one in the database");
    assert_eq!(stage.logged("two"), "0");
}

/// The negative control of the import check: Frappe's own migrate starts, and fails half-way.
#[test]
fn code_that_cannot_be_imported_changes_nothing() {
    let stage = GateStage::with_release();
    stage.release().patch("broken", "this is no python");
    let columns = "exists (select from information_schema.columns where table_name = 'tabNote' and column_name = 'colour')";
    let pod = stage.leader_on(&stage.new).start();
    pod.says("broken cannot be run: SyntaxError");
    pod.says("\"after_a_change\":false");
    eventually(LONG, "the stage is open again", || (stage.gate()["stage"] == "open").then_some(()));
    assert!(stage.backups().is_empty() && !stage.in_maintenance());
    assert!(!stage.session().is(columns));
    drop(pod);
    let migrated = stage.new.run(&["--site", SITE, "migrate"]);
    assert_ne!(migrated.exit, Some(0));
    assert!(stage.session().is(columns), "the DocType was changed");
}
