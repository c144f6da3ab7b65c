//! DB_HOST is a transaction pooler: it works for Frappe, but not for a lock.

use crate::stage::{self, DATABASE, served};
use crate::support::binary::Binary;
use crate::support::pooler::Pooler;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::stage::Stage;

const SITE_PASSWORD: &str = "site-Secret_9";

/// The leader's manifest with DB_HOST set to the pooler.
fn pooled(stage: &Stage, pooler: &Pooler) -> Binary {
    let leader = stage.leader().set("SITE_DB_PASSWORD", SITE_PASSWORD);
    leader.set("DB_HOST", "127.0.0.1").set("DB_PORT", pooler.port)
}

#[test]
fn a_transaction_pooler_is_refused_without_a_direct_address() {
    let stage = stage::empty();
    let users = [(SUPERUSER, PASSWORD), (DATABASE, SITE_PASSWORD)];
    let Some(pooler) = Pooler::start(&stage.postgres, "transaction", &users) else { return };
    let before = stage.snapshot();
    pooled(&stage, &pooler).run().exits(78).refuses("transaction-pooler").says("CAULDRON_DB_DIRECT_HOST");
    stage.is_unchanged_since(&before);
    let around = || {
        pooled(&stage, &pooler)
            .set("CAULDRON_DB_DIRECT_HOST", "127.0.0.1")
            .set("CAULDRON_DB_DIRECT_PORT", stage.postgres.port())
    };
    around().run().exits(0);
    around().run().exits(0).event("site.up_to_date");
    // Frappe itself continues to use the pooler.
    let config = stage.bench.read_config("common_site_config.json");
    assert_eq!(config["db_port"], pooler.port);
    served(around()).ping_and_stop();
    // Without the direct address, a finished site is not led through the pooler either.
    pooled(&stage, &pooler).run().exits(78).refuses("transaction-pooler");
}

/// Frappe's own session locks would not last there.
#[test]
fn a_frappe_that_takes_session_locks_is_refused_behind_a_transaction_pooler() {
    let stage = stage::empty();
    stage.bench.set_version("17.0.0");
    for (mode, code) in [("transaction", 78), ("session", 0)] {
        let users = [(SUPERUSER, PASSWORD), (DATABASE, SITE_PASSWORD)];
        let Some(pooler) = Pooler::start(&stage.postgres, mode, &users) else { return };
        let around = pooled(&stage, &pooler)
            .set("CAULDRON_DB_DIRECT_HOST", "127.0.0.1")
            .set("CAULDRON_DB_DIRECT_PORT", stage.postgres.port());
        let ran = around.run().exits(code);
        if code == 78 {
            ran.refuses("transaction-pooler").says("session locks of its own");
        }
    }
}

/// The control: a pooler that gives each client its own backend is accepted.
#[test]
fn a_session_pooler_is_as_good_as_the_server() {
    let stage = stage::empty();
    let users = [(SUPERUSER, PASSWORD), (DATABASE, SITE_PASSWORD)];
    let Some(pooler) = Pooler::start(&stage.postgres, "session", &users) else { return };
    pooled(&stage, &pooler).run().exits(0);
}
