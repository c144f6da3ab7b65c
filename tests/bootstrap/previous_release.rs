//! The previous release beside this one: both serve, follow and lead on one record, whichever wrote it last.

use std::fs;

use crate::place::{Place, SITE, Served};
use crate::support::http;

fn version(place: &Place) -> Option<String> {
    place.state("schema_version")
}

/// New code for the site: one more patch.
fn new_patch(place: &Place, number: u32) {
    let patches = place.bench.path().join("apps/frappe/frappe/patches.txt");
    let text = fs::read_to_string(&patches).expect("patches.txt");
    let line = format!("execute:frappe.local.db.set_single('Patched', 'patch', {number})");
    fs::write(&patches, format!("{text}{line}\n")).expect("a patch");
}

fn ran(place: &Place) -> Option<String> {
    place.site().value("SELECT value FROM \"tabSingles\" WHERE doctype = 'Patched' AND field = 'patch'")
}

#[test]
fn the_previous_release_works_with_a_record_that_this_one_upgraded() {
    let place = Place::new();
    let (this, previous) = (|| place.leader(), || place.leader().of_the_previous_release());
    previous().run().exits(0);
    let install_id = place.state("install_id");
    let old = Served::start(previous());
    // A rolling update: this release upgrades the record while the previous one serves.
    let new = Served::start(this());
    assert_eq!(version(&place).as_deref(), Some("2"));
    let ping = |served: &Served| http::status(served.port, SITE, "/api/method/ping");
    assert_eq!((ping(&old), ping(&new)), (200, 200));
    // A pod of the previous release that starts now, without and with a login.
    Served::start(previous().unset("DB_USER").unset("DB_PASSWORD")).stop();
    Served::start(previous()).stop();
    // After a rollback the previous release migrates with that record; after the next update, so does this one.
    new_patch(&place, 1);
    previous().run().exits(0).says("migrated");
    assert_eq!(ran(&place).as_deref(), Some("1"));
    this().run().exits(0);
    new_patch(&place, 2);
    this().run().exits(0).event("migration.finished");
    previous().run().exits(0);
    assert_eq!(ran(&place).as_deref(), Some("2"));
    assert_eq!((version(&place).as_deref(), place.state("install_id")), (Some("2"), install_id));
    old.stop();
    new.stop();
}

/// The previous release replaces a row of another database by a new one, which has no version.
#[test]
fn a_row_that_the_previous_release_replaced_is_upgraded_again() {
    let place = Place::new();
    place.created();
    place.site().run("UPDATE public.__cauldron_state SET database_oid = 1");
    place.leader().of_the_previous_release().run().exits(0);
    assert_eq!(version(&place), None);
    place.leader().run().exits(0).says("\"from\":1");
    assert_eq!(version(&place).as_deref(), Some("2"));
}

/// Both start at once without a site: one leads, the other follows.
#[test]
fn both_releases_start_at_once_on_an_empty_database() {
    let place = Place::new();
    let pods = [place.leader().start(), place.leader().of_the_previous_release().start()];
    for pod in pods {
        pod.end().exits(0);
    }
    Served::start(place.leader()).stop();
    Served::start(place.leader().of_the_previous_release()).stop();
}
