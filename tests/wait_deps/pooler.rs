//! PgBouncer in front of PostgreSQL: it works for the site, but not for locks and LISTEN.

use crate::support::pooler::Pooler;
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::waiting::WaitDeps;

const USERS: [(&str, &str); 1] = [(SUPERUSER, PASSWORD)];

fn wait_deps(pooler: &Pooler, password: &str) -> WaitDeps {
    WaitDeps::new()
        .set("DB_HOST", "127.0.0.1")
        .set("DB_PORT", pooler.port.to_string())
        .set("DB_USER", SUPERUSER)
        .set("DB_PASSWORD", password)
}

#[test]
fn transaction_pooling_gives_a_warning() {
    let server = Postgres::start();
    let Some(pooler) = Pooler::start(&server, "transaction", &USERS) else { return };
    let ended = wait_deps(&pooler, PASSWORD).run().expect(0);
    assert!(ended.warnings("postgres").contains("pools by transaction"), "{}", ended.log);
    wait_deps(&pooler, "wrong").timeout("2s").run().expect(77).reports(
        "postgres",
        "never",
        "login",
        "DB_PASSWORD",
    );
}

#[test]
fn session_pooling_gives_no_warning() {
    let server = Postgres::start();
    let Some(pooler) = Pooler::start(&server, "session", &USERS) else { return };
    let ended = wait_deps(&pooler, PASSWORD).run().expect(0);
    assert!(!ended.warnings("postgres").contains("pools by transaction"), "{}", ended.log);
}

/// Negative control: without a pooler there is no warning.
#[test]
fn a_server_without_a_pooler_gives_no_warning() {
    let server = Postgres::start();
    let ended = WaitDeps::new().postgres(&server, SUPERUSER, PASSWORD).run().expect(0);
    assert_eq!(ended.warnings("postgres"), "[]");
}
