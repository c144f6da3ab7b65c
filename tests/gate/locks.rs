//! Sessions in the way.

use crate::place::{DATABASE, Place};
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::session::Session;

fn site_password(place: &Place) -> String {
    let config = place.old.read_config(&format!("{}/site_config.json", crate::place::SITE));
    config["db_password"].as_str().expect("a password").to_owned()
}

/// What a web request leaves that failed: for ever, in the way of ALTER TABLE.
#[test]
fn an_idle_transaction_of_the_sites_own_is_ended() {
    let place = Place::with_release();
    let mut config = place.postgres.config(DATABASE);
    config.user(DATABASE).password(site_password(&place));
    let idle = Session::open(&config).expect("a session of the site's own");
    idle.run("BEGIN; SELECT count(*) FROM \"tabNote\"");
    place.leader(&place.new).run().exits(0).says("idle in transaction for 30 s").says("migrated");
    place.is_migrated();
}

/// Somebody else's is waited for, and named before anybody is put into maintenance.
#[test]
fn a_transaction_of_another_role_is_named_and_nothing_is_begun() {
    let place = Place::with_release();
    let mut config = place.postgres.config(DATABASE);
    config.user(SUPERUSER).password(PASSWORD);
    let other = Session::open(&config).expect("a session");
    other.run("BEGIN; SELECT count(*) FROM \"tabNote\"");
    let leader = place.leader(&place.new).start();
    leader.says("of role postgres has had a transaction open");
    leader.says("after_a_change=false");
    assert!(!place.in_maintenance());
    assert_eq!(place.logged("two"), "0");
    drop(other);
    leader.end().exits(0).says("migrated");
    place.is_migrated();
}
