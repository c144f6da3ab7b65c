//! A database with any contents belongs to someone else: refused with 65, and not one byte of it is changed.

use crate::stage::{self, DATABASE};
use crate::support::postgres::{PASSWORD, SUPERUSER};

/// Foreign objects, one of each kind.
const KINDS: [(&str, &str); 14] = [
    ("orders", "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)"),
    ("elsewhere", "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.orders (id int)"),
    ("numbers", "CREATE SEQUENCE numbers"),
    ("report", "CREATE VIEW report AS SELECT 1 AS one"),
    ("snapshot", "CREATE MATERIALIZED VIEW snapshot AS SELECT 1 AS one"),
    ("tax", "CREATE FUNCTION tax() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ("close_month", "CREATE PROCEDURE close_month() LANGUAGE sql AS 'SELECT 1'"),
    ("colour", "CREATE TYPE colour AS ENUM ('red')"),
    ("stage", "CREATE TYPE stage AS (x int, y int)"),
    ("email", "CREATE DOMAIN email AS text"),
    ("prepared", "CREATE SCHEMA prepared"),
    ("large object", "SELECT lo_from_bytea(0, 'kept')"),
    ("feed", "CREATE PUBLICATION feed"),
    (
        "branch",
        "CREATE EXTENSION postgres_fdw; CREATE SERVER branch FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h')",
    ),
];

#[test]
fn a_database_with_any_object_is_not_empty() {
    let stage = stage::empty();
    for (at, (_, sql)) in KINDS.iter().enumerate() {
        let database = format!("kind_{at}");
        stage.postgres.run("postgres", &format!("CREATE ROLE {database} LOGIN PASSWORD 'own'"));
        stage.postgres.run("postgres", &format!("CREATE DATABASE {database} OWNER {database}"));
        stage.postgres.run(&database, sql);
    }
    let before = stage.snapshot();
    for (at, (name, _)) in KINDS.iter().enumerate() {
        let database = format!("kind_{at}");
        let administrator = stage.leader().set("DB_NAME", &database);
        administrator.run().exits(65).refuses("foreign-database").says(name).says(&database);
        let owner = stage.with_login(&database, "own").set("DB_NAME", &database);
        owner.run().exits(65).refuses("foreign-database").says(name);
    }
    stage.is_unchanged_since(&before);
}

#[test]
fn tables_without_our_mark_are_refused_to_every_login() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'theirs'");
    stage.postgres.run("postgres", "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'm'");
    stage.postgres.run("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'; ");
    stage.postgres.run("postgres", "CREATE DATABASE frappe OWNER app");
    stage.postgres.run(DATABASE, "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)");
    let before = stage.snapshot();
    let refused = |user: &str, password: &str| {
        let binary = stage.with_login(user, password);
        for binary in [binary.clone(), binary.set("SITE_DB_PASSWORD", "wrong")] {
            binary.run().exits(65).refuses("foreign-database").says("orders").says("nothing was changed");
            stage.is_unchanged_since(&before);
        }
    };
    refused(SUPERUSER, PASSWORD);
    refused("manager", "m");
    stage.with_login(DATABASE, "theirs").run().exits(65).refuses("foreign-database").says("orders");
    stage.is_unchanged_since(&before);
}

#[test]
fn a_database_without_a_role_of_its_name_is_refused() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE DATABASE frappe");
    stage.postgres.run(DATABASE, "CREATE TABLE orders (id int)");
    let before = stage.snapshot();
    stage.leader().run().exits(65).refuses("foreign-database").says("orders");
    stage.is_unchanged_since(&before);
}

/// Another application's schema beside a finished site is no reason to refuse the site.
#[test]
fn a_finished_site_may_share_its_database_with_other_schemas() {
    let stage = stage::empty();
    stage.created();
    stage.postgres.run(DATABASE, "CREATE SCHEMA reports; CREATE TABLE reports.daily (id int)");
    stage.leader().run().exits(0).event("site.up_to_date");
}
