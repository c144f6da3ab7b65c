//! Code that is older, or incomplete, or not known to be newer, never migrates.

use crate::place::{LONG, Place};
use crate::release::LATER;
use crate::support::wait::eventually;

const EARLIER: &str = "2001-01-01 00:00:00.000000";

fn refusal_id(text: &str) -> String {
    let (_, rest) = text.split_once("CAULDRON_ALLOW_DOWNGRADE=").expect("an id");
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().expect("an id").to_owned()
}

#[test]
fn a_lower_version_migrates_only_with_the_id_of_its_refusal() {
    let place = Place::new();
    place.release().version("15.54.0").patch("two", "pass");
    let before = place.state("fingerprint");
    let refused = place.leader(&place.new).run().exits(65).refuses("code-not-newer");
    let refused = refused.says("frappe is 15.54.0 here, and 15.55.1");
    assert_eq!(place.state("fingerprint"), before);
    assert_eq!(place.logged("two"), "0");
    // A wrong value, such as one left behind in a manifest, has no effect.
    place.leader(&place.new).set("CAULDRON_ALLOW_DOWNGRADE", "1").run().exits(65);
    let id = refusal_id(&refused.stderr);
    place
        .leader(&place.new)
        .set("CAULDRON_ALLOW_DOWNGRADE", &id)
        .run()
        .exits(0)
        .event("migration.downgrade_allowed");
    assert_eq!(place.logged("two"), "1");
    place.release().patch("three", "pass");
    place.leader(&place.new).set("CAULDRON_ALLOW_DOWNGRADE", &id).run().exits(0);
}

/// The negative control: without the rule this migrate would delete the DocType.
#[test]
fn an_unknown_doctype_is_not_deleted_by_code_that_is_not_newer() {
    let place = Place::new();
    place.release().without_doctype("desk/doctype/note/note");
    place.leader(&place.new).run().exits(65).says("migrate would delete DocTypes: Note");
    let there = "exists (select from \"tabDocType\" where name = 'Note')";
    assert!(place.site().is(there));
    let migrated = place.new.run(&["--site", crate::place::SITE, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    assert!(!place.site().is(there), "Frappe's own migrate deletes it");
}

/// A release that drops a DocType is recognized as newer by its version or by a new patch.
#[test]
fn a_newer_release_may_drop_a_doctype() {
    let place = Place::new();
    place.release().version("15.56.0").without_doctype("desk/doctype/note/note");
    place.leader(&place.new).run().exits(0).event("migration.finished");
    assert!(!place.site().is("exists (select from \"tabDocType\" where name = 'Note')"));
}

#[test]
fn older_doctypes_never_overwrite_newer_ones() {
    let place = Place::new();
    place.release().field("desk/doctype/note/note", "colour", EARLIER);
    place.leader(&place.new).run().exits(65).says("the database has newer DocTypes than this code: Note");
    place.release().field("desk/doctype/tag/tag", "colour", LATER);
    place.leader(&place.new).run().exits(65).says("Note");
}

#[test]
fn code_without_an_installed_app_is_refused() {
    let place = Place::new();
    place.release().version("15.56.0");
    let sql =
        r#"update "tabDefaultValue" set defvalue = '["frappe", "crm"]' where defkey = 'installed_apps'"#;
    place.site().run(sql);
    place
        .leader(&place.new)
        .run()
        .exits(78)
        .refuses("code-incomplete")
        .says("not importable in this image: crm; nothing was changed");
    let mut worker = place.on(&place.new, "worker").set("WORKER_QUEUES", "default").start();
    worker.answers("/readyz", 503);
    eventually(LONG, "it names the missing app", || {
        worker.body("/readyz?verbose").contains("not importable in this pod: crm").then_some(())
    });
}

/// Neither versions nor patches decide; the app's own repository does.
#[test]
fn the_repository_decides_if_versions_do_not() {
    let place = Place::in_repositories();
    place.release().without_doctype("desk/doctype/note/note").hooks("app_color = 'blue'");
    let refused = place.leader(&place.new).run().exits(65).says("migrate would delete DocTypes: Note");
    assert!(refused.stderr.contains("nothing proves it newer"), "{refused}");
    place.release().commit();
    place.leader(&place.new).run().exits(0).event("migration.finished");
    assert!(!place.site().is("exists (select from \"tabDocType\" where name = 'Note')"));
    // At the previous commit, with an uncommitted patch: new patches alone would prove it newer.
    place.release().check_out("HEAD~1").patch("two", "pass");
    place
        .leader(&place.new)
        .run()
        .exits(65)
        .says("the commit of frappe is an ancestor of the one in the database");
    assert_eq!(place.logged("two"), "0");
}

/// The negative control of the import check: Frappe's own migrate starts, and fails half-way.
#[test]
fn code_that_cannot_be_imported_changes_nothing() {
    let place = Place::with_release();
    place.release().patch("broken", "this is no python");
    let columns = "exists (select from information_schema.columns where table_name = 'tabNote' and column_name = 'colour')";
    let pod = place.leader(&place.new).start();
    pod.says("broken cannot be run: SyntaxError");
    pod.says("\"after_a_change\":false");
    eventually(LONG, "the stage is open again", || (place.gate()["stage"] == "open").then_some(()));
    assert!(place.backups().is_empty() && !place.in_maintenance());
    assert!(!place.site().is(columns));
    drop(pod);
    let migrated = place.new.run(&["--site", crate::place::SITE, "migrate"]);
    assert_ne!(migrated.exit, Some(0));
    assert!(place.site().is(columns), "the DocType was changed");
}
