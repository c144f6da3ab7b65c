//! Code that is older, or incomplete, or not known to be newer: it never migrates.

use crate::place::{LONG, Place};
use crate::release::LATER;
use crate::support::wait::eventually;

const EARLIER: &str = "2001-01-01 00:00:00.000000";

fn refusal_id(text: &str) -> String {
    let (_, rest) = text.split_once("CAULDRON_ALLOW_DOWNGRADE=").expect("an id");
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().expect("an id").to_owned()
}

#[test]
fn a_lower_version_never_migrates_unless_its_refusal_is_named() {
    let place = Place::new();
    place.release().version("15.54.0").patch("two", "pass");
    let before = place.state("fingerprint");
    let refused = place.leader(&place.new).run().exits(65).says("frappe is 15.54.0 here, and 15.55.1");
    assert_eq!(place.state("fingerprint"), before);
    assert_eq!(place.logged("two"), "0");
    // One that is left behind in a manifest does nothing.
    place.leader(&place.new).set("CAULDRON_ALLOW_DOWNGRADE", "1").run().exits(65);
    let id = refusal_id(&refused.stderr);
    place
        .leader(&place.new)
        .set("CAULDRON_ALLOW_DOWNGRADE", &id)
        .run()
        .exits(0)
        .says("migrating all the same");
    assert_eq!(place.logged("two"), "1");
    place.release().patch("three", "pass");
    place.leader(&place.new).set("CAULDRON_ALLOW_DOWNGRADE", &id).run().exits(0);
}

/// The negative control: without the rule this migrate would delete the DocType.
#[test]
fn what_the_code_does_not_know_is_not_deleted_without_a_proof() {
    let place = Place::new();
    place.release().without_doctype("desk/doctype/note/note");
    place.leader(&place.new).run().exits(65).says("migrate would delete DocTypes: Note");
    let there = "exists (select from \"tabDocType\" where name = 'Note')";
    assert!(place.site().is(there));
    let migrated = place.new.run(&["--site", crate::place::SITE, "migrate"]);
    assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
    assert!(!place.site().is(there), "Frappe's own migrate deletes it");
}

/// A release that gives a DocType up says so by its version, or with a patch.
#[test]
fn a_newer_release_may_give_a_doctype_up() {
    let place = Place::new();
    place.release().version("15.56.0").without_doctype("desk/doctype/note/note");
    place.leader(&place.new).run().exits(0).says("migrated");
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
fn an_app_that_is_not_there_is_no_newer_code() {
    let place = Place::new();
    place.release().version("15.56.0");
    let sql =
        r#"update "tabDefaultValue" set defvalue = '["frappe", "crm"]' where defkey = 'installed_apps'"#;
    place.site().run(sql);
    place
        .leader(&place.new)
        .run()
        .exits(78)
        .says("installed on the site and not importable here: crm; nothing was changed");
    let mut worker = place.on(&place.new, "worker").set("WORKER_QUEUES", "default").start();
    worker.answers("/readyz", 503);
    eventually(LONG, "it says what it lacks", || {
        worker.body("/readyz?verbose").contains("not importable in this pod: crm").then_some(())
    });
}

/// Neither versions nor patches tell; the app's own repository does.
#[test]
fn history_tells_where_versions_do_not() {
    let place = Place::in_repositories();
    place.release().without_doctype("desk/doctype/note/note").hooks("app_color = 'blue'");
    let refused = place.leader(&place.new).run().exits(65).says("migrate would delete DocTypes: Note");
    assert!(refused.stderr.contains("nothing shows it newer"), "{refused}");
    place.release().commit();
    place.leader(&place.new).run().exits(0).says("migrated");
    assert!(!place.site().is("exists (select from \"tabDocType\" where name = 'Note')"));
    // Back at the commit before, with a patch that nobody committed: new patches alone would prove it newer.
    place.release().check_out("HEAD~1").patch("two", "pass");
    place
        .leader(&place.new)
        .run()
        .exits(65)
        .says("frappe is at a commit from before the one in the database");
    assert_eq!(place.logged("two"), "0");
}

/// The negative control of the import check: Frappe's own migrate begins, and fails in the middle.
#[test]
fn code_that_cannot_be_imported_changes_nothing() {
    let place = Place::with_release();
    place.release().patch("broken", "this is no python");
    let columns = "exists (select from information_schema.columns where table_name = 'tabNote' and column_name = 'colour')";
    let pod = place.leader(&place.new).start();
    pod.says("broken cannot be run: SyntaxError");
    pod.says("after_a_change=false");
    eventually(LONG, "the gate is open again", || (place.gate()["stage"] == "open").then_some(()));
    assert!(place.backups().is_empty() && !place.in_maintenance());
    assert!(!place.site().is(columns));
    drop(pod);
    let migrated = place.new.run(&["--site", crate::place::SITE, "migrate"]);
    assert_ne!(migrated.exit, Some(0));
    assert!(place.site().is(columns), "half of it was done");
}
