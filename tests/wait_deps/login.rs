//! PostgreSQL logins: the ways in which one can be wrong, and the hint for each.

use std::fs;

use crate::postgres::{make_owner, owner, trusting};
use crate::support::postgres::{Options, Postgres, SUPERUSER};
use crate::waiting::WaitDeps;

#[test]
fn a_password_may_be_set_late() {
    let server = Postgres::start();
    let waiting = owner(&server).start();
    waiting.until_it_waits_for("postgres", "login");
    make_owner(&server);
    waiting.end().expect(0);
}

#[test]
fn a_wrong_password_ends_with_77_after_ten_seconds() {
    let server = Postgres::start();
    make_owner(&server);
    let ended = WaitDeps::new()
        .postgres(&server, "erp", "canary-wrong")
        .set("DB_NAME", "erp")
        .timeout("0")
        .run()
        .expect(77)
        .reports("postgres", "never", "login", "DB_PASSWORD");
    assert!(ended.took.as_secs() >= 10, "gave up after {:?}", ended.took);
    assert!(!ended.log.contains("canary"), "{}", ended.log);
}

#[test]
fn at_the_deadline_a_wrong_password_is_reported_as_one() {
    let server = Postgres::start();
    WaitDeps::new().postgres(&server, SUPERUSER, "wrong").timeout("2s").run().expect(77).reports(
        "postgres",
        "never",
        "login",
        "DB_PASSWORD",
    );
}

#[test]
fn a_missing_password_ends_at_once() {
    let server = Postgres::start();
    WaitDeps::new().server(&server).set("DB_USER", SUPERUSER).run().expect(77).reports(
        "postgres",
        "never",
        "login",
        "DB_PASSWORD_FILE",
    );
}

#[test]
fn a_login_without_the_right_to_create_gets_the_grant_as_a_hint() {
    let server = Postgres::start();
    server.run("postgres", "create role plain login password 'p'");
    let plain = || WaitDeps::new().postgres(&server, "plain", "p").set("DB_NAME", "erp");
    plain().run().expect(77).reports(
        "postgres",
        "never",
        "database",
        "ALTER ROLE \"plain\" CREATEROLE CREATEDB",
    );
    server.run("postgres", "alter role plain createrole createdb");
    plain().run().expect(0);
}

#[test]
fn an_owner_with_another_name_is_accepted_if_the_database_exists() {
    let server = Postgres::start();
    server.run("postgres", "create role plain login password 'p'");
    server.run("postgres", "create database erp owner plain");
    WaitDeps::new().postgres(&server, "plain", "p").set("DB_NAME", "erp").run().expect(0);
    // A managed server may close the maintenance database.
    server.run("postgres", "revoke connect on database postgres from public");
    WaitDeps::new().postgres(&server, "plain", "p").set("DB_NAME", "erp").run().expect(0);
}

#[test]
fn a_login_without_the_right_to_connect_gets_the_grant_as_a_hint() {
    let server = Postgres::start();
    make_owner(&server);
    server.run("postgres", "alter database erp owner to postgres");
    server.run("postgres", "revoke connect on database erp from public");
    owner(&server).run().expect(77).reports("postgres", "never", "database", "GRANT CONNECT");
}

#[test]
fn a_role_without_login_is_reported() {
    let server = trusting();
    server.run("postgres", "create role erp nologin");
    owner(&server).run().expect(77).reports("postgres", "never", "login", "ALTER ROLE \"erp\" LOGIN");
}

#[test]
fn a_rejection_by_pg_hba_is_reported() {
    let server = Postgres::start_with(|_| Options::default().hba("host all erp 127.0.0.1/32 reject"));
    make_owner(&server);
    owner(&server).timeout("2s").run().expect(77).reports("postgres", "never", "login", "pg_hba.conf");
}

#[test]
fn without_a_login_it_checks_like_pg_isready() {
    let server = Postgres::start();
    WaitDeps::new().server(&server).run().expect(0);
}

#[test]
fn without_a_login_the_sites_own_is_used_if_its_file_exists() {
    let server = Postgres::start();
    make_owner(&server);
    let bench = tempfile::tempdir().expect("a folder");
    let site = bench.path().join("sites/erp.test");
    fs::create_dir_all(&site).expect("a site folder");
    let write = |password: &str| {
        let text = format!("{{\"db_name\": \"erp\", \"db_password\": \"{password}\"}}");
        fs::write(site.join("site_config.json"), text).expect("site_config.json");
    };
    let follower =
        || WaitDeps::new().server(&server).set("CAULDRON_BENCH", bench.path()).set("SITE_NAME", "erp.test");
    write("erp-Pass");
    follower().run().expect(0);
    write("canary-wrong");
    let ended = follower().timeout("2s").run().expect(77);
    let ended = ended.reports("postgres", "never", "login", "site_config.json");
    assert!(!ended.log.contains("canary"), "{}", ended.log);
}

/// Managed servers set it when their disk is nearly full; a leader would make half a site, or fail at each start.
#[test]
fn waits_for_a_database_that_is_no_longer_read_only() {
    let server = Postgres::start();
    server.run("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'");
    server.run("postgres", "CREATE DATABASE app OWNER app");
    for target in ["DATABASE app", "ROLE app", "ROLE app IN DATABASE app"] {
        server.run("postgres", &format!("ALTER {target} SET default_transaction_read_only = on"));
        let owner = || WaitDeps::new().postgres(&server, "app", "app").set("DB_NAME", "app");
        owner().timeout("1s").run().expect(69).reports("postgres", "not_yet", "database", "RESET");
        let waiting = owner().start();
        waiting.until_it_waits_for("postgres", "database");
        server.run("postgres", &format!("ALTER {target} RESET default_transaction_read_only"));
        waiting.end().expect(0);
    }
}
