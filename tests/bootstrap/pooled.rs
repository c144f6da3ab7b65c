//! DB_HOST is a transaction pooler: it works for Frappe, but not for a lock.

use crate::place::{DATABASE, Place, Served};
use crate::support::binary::Binary;
use crate::support::pooler::Pooler;
use crate::support::postgres::{PASSWORD, SUPERUSER};

const SITE_PASSWORD: &str = "site-Secret_9";

/// The leader's manifest with DB_HOST set to the pooler.
fn pooled(place: &Place, pooler: &Pooler) -> Binary {
    let leader = place.leader().set("SITE_DB_PASSWORD", SITE_PASSWORD);
    leader.set("DB_HOST", "127.0.0.1").set("DB_PORT", pooler.port)
}

#[test]
fn a_transaction_pooler_is_refused_without_a_direct_address() {
    let place = Place::new();
    let users = [(SUPERUSER, PASSWORD), (DATABASE, SITE_PASSWORD)];
    let Some(pooler) = Pooler::start(&place.postgres, "transaction", &users) else { return };
    let before = place.snapshot();
    pooled(&place, &pooler).run().exits(78).refuses("transaction-pooler").says("CAULDRON_DB_DIRECT_HOST");
    place.is_as_it_was(&before);
    let around = || {
        pooled(&place, &pooler)
            .set("CAULDRON_DB_DIRECT_HOST", "127.0.0.1")
            .set("CAULDRON_DB_DIRECT_PORT", place.postgres.port())
    };
    around().run().exits(0);
    around().run().exits(0).event("site.up_to_date");
    // Frappe itself continues to use the pooler.
    let config = place.bench.read_config("common_site_config.json");
    assert_eq!(config["db_port"], pooler.port);
    Served::start(around()).stop();
    // Without the direct address, a finished site is not led through the pooler either.
    pooled(&place, &pooler).run().exits(78).refuses("transaction-pooler");
}

/// The control: a pooler that gives each client its own backend is accepted.
#[test]
fn a_session_pooler_is_as_good_as_the_server() {
    let place = Place::new();
    let users = [(SUPERUSER, PASSWORD), (DATABASE, SITE_PASSWORD)];
    let Some(pooler) = Pooler::start(&place.postgres, "session", &users) else { return };
    pooled(&place, &pooler).run().exits(0);
}
