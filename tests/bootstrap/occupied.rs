//! A database with any contents belongs to someone else: refused with 65, and not one byte of it is changed.

use crate::place::{DATABASE, Place};
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
    ("place", "CREATE TYPE place AS (x int, y int)"),
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
    let place = Place::new();
    for (at, (_, sql)) in KINDS.iter().enumerate() {
        let database = format!("kind_{at}");
        place.postgres.run("postgres", &format!("CREATE ROLE {database} LOGIN PASSWORD 'own'"));
        place.postgres.run("postgres", &format!("CREATE DATABASE {database} OWNER {database}"));
        place.postgres.run(&database, sql);
    }
    let before = place.snapshot();
    for (at, (name, _)) in KINDS.iter().enumerate() {
        let database = format!("kind_{at}");
        let administrator = place.leader().set("DB_NAME", &database);
        administrator.run().exits(65).refuses("foreign-database").says(name).says(&database);
        let owner = place.with_login(&database, "own").set("DB_NAME", &database);
        owner.run().exits(65).refuses("foreign-database").says(name);
    }
    place.is_as_it_was(&before);
}

#[test]
fn tables_without_our_mark_are_refused_to_every_login() {
    let place = Place::new();
    place.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'theirs'");
    place.postgres.run("postgres", "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'm'");
    place.postgres.run("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'; ");
    place.postgres.run("postgres", "CREATE DATABASE frappe OWNER app");
    place.postgres.run(DATABASE, "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)");
    let before = place.snapshot();
    let refused = |user: &str, password: &str| {
        let binary = place.with_login(user, password);
        for binary in [binary.clone(), binary.set("SITE_DB_PASSWORD", "wrong")] {
            binary.run().exits(65).refuses("foreign-database").says("orders").says("nothing was changed");
            place.is_as_it_was(&before);
        }
    };
    refused(SUPERUSER, PASSWORD);
    refused("manager", "m");
    place.with_login(DATABASE, "theirs").run().exits(65).refuses("foreign-database").says("orders");
    place.is_as_it_was(&before);
}

#[test]
fn a_database_without_a_role_of_its_name_is_refused() {
    let place = Place::new();
    place.postgres.run("postgres", "CREATE DATABASE frappe");
    place.postgres.run(DATABASE, "CREATE TABLE orders (id int)");
    let before = place.snapshot();
    place.leader().run().exits(65).refuses("foreign-database").says("orders");
    place.is_as_it_was(&before);
}

/// Another application's schema beside a finished site is no reason to refuse the site.
#[test]
fn a_finished_site_may_share_its_database_with_other_schemas() {
    let place = Place::new();
    place.created();
    place.postgres.run(DATABASE, "CREATE SCHEMA reports; CREATE TABLE reports.daily (id int)");
    place.leader().run().exits(0).event("site.up_to_date");
}
