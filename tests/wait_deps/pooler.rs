//! PgBouncer between us and PostgreSQL: it works for the site, and not for locks and LISTEN.

use crate::support::pooler::Pooler;
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::waiting::WaitDeps;

const USERS: [(&str, &str); 1] = [(SUPERUSER, PASSWORD)];

fn waits(pooler: &Pooler, password: &str) -> WaitDeps {
    WaitDeps::new()
        .set("DB_HOST", "127.0.0.1")
        .set("DB_PORT", pooler.port.to_string())
        .set("DB_USER", SUPERUSER)
        .set("DB_PASSWORD", password)
}

#[test]
fn pooling_by_transaction_is_warned_of() {
    let server = Postgres::start();
    let Some(pooler) = Pooler::start(&server, "transaction", &USERS) else { return };
    let ended = waits(&pooler, PASSWORD).run().expect(0);
    assert!(ended.warnings("postgres").contains("pools by transaction"), "{}", ended.log);
    waits(&pooler, "wrong").timeout("2s").run().expect(77).tells("postgres", "never", "login", "DB_PASSWORD");
}

#[test]
fn a_pooler_by_session_is_not_accused_of_it() {
    let server = Postgres::start();
    let Some(pooler) = Pooler::start(&server, "session", &USERS) else { return };
    let ended = waits(&pooler, PASSWORD).run().expect(0);
    assert!(!ended.warnings("postgres").contains("pools by transaction"), "{}", ended.log);
}

/// Negative control: a server without a pooler warns of nothing.
#[test]
fn a_server_itself_is_no_pooler() {
    let server = Postgres::start();
    let ended = WaitDeps::new().postgres(&server, SUPERUSER, PASSWORD).run().expect(0);
    assert_eq!(ended.warnings("postgres"), "[]");
}
