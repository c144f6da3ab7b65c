//! The previous release beside this one: both serve, follow and lead on one record, whichever wrote it last.

use std::fs;

use crate::stage::{self, served};
use crate::support::stage::Stage;

fn version(stage: &Stage) -> Option<String> {
    stage.state("schema_version")
}

/// New code for the site: one more patch.
fn new_patch(stage: &Stage, number: u32) {
    let patches = stage.bench.path().join("apps/frappe/frappe/patches.txt");
    let text = fs::read_to_string(&patches).expect("patches.txt");
    let line = format!("execute:frappe.local.db.set_single('Patched', 'patch', {number})");
    fs::write(&patches, format!("{text}{line}\n")).expect("a patch");
}

fn ran(stage: &Stage) -> Option<String> {
    stage.session().value("SELECT value FROM \"tabSingles\" WHERE doctype = 'Patched' AND field = 'patch'")
}

#[test]
fn the_previous_release_works_with_a_record_that_this_one_upgraded() {
    let stage = stage::empty();
    let (this, previous) = (|| stage.leader(), || stage.leader().of_the_previous_release());
    previous().run().exits(0);
    let install_id = stage.state("install_id");
    let old = served(previous());
    // A rolling update: this release upgrades the record while the previous one serves.
    let new = served(this());
    assert_eq!(version(&stage).as_deref(), Some("2"));
    assert_eq!((old.ping(), new.ping()), (200, 200));
    // A pod of the previous release that starts now, without and with a login.
    served(previous().unset("DB_USER").unset("DB_PASSWORD")).ping_and_stop();
    served(previous()).ping_and_stop();
    // After a rollback the previous release migrates with that record; after the next update, so does this one.
    new_patch(&stage, 1);
    previous().run().exits(0).says("migrated");
    assert_eq!(ran(&stage).as_deref(), Some("1"));
    this().run().exits(0);
    new_patch(&stage, 2);
    this().run().exits(0).event("migration.finished");
    previous().run().exits(0);
    assert_eq!(ran(&stage).as_deref(), Some("2"));
    assert_eq!((version(&stage).as_deref(), stage.state("install_id")), (Some("2"), install_id));
    old.ping_and_stop();
    new.ping_and_stop();
}

/// The previous release replaces a row of another database by a new one, which has no version.
#[test]
fn a_row_that_the_previous_release_replaced_is_upgraded_again() {
    let stage = stage::empty();
    stage.created();
    stage.session().run("UPDATE public.__cauldron_state SET database_oid = 1");
    stage.leader().of_the_previous_release().run().exits(0);
    assert_eq!(version(&stage), None);
    stage.leader().run().exits(0).says("\"from\":1");
    assert_eq!(version(&stage).as_deref(), Some("2"));
}

/// Both start at once without a site: one leads, the other follows.
#[test]
fn both_releases_start_at_once_on_an_empty_database() {
    let stage = stage::empty();
    let pods = [stage.leader().start(), stage.leader().of_the_previous_release().start()];
    for pod in pods {
        pod.end().exits(0);
    }
    served(stage.leader()).ping_and_stop();
    served(stage.leader().of_the_previous_release()).ping_and_stop();
}
