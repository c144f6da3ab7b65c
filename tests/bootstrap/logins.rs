//! Kinds of logins: administrators that are not superusers, owners, and logins without a right.

use crate::stage::{self, DATABASE, served};
use crate::support::postgres::{Options, Postgres};

/// psycopg2 takes such a host unchanged; psql's URL needs brackets or percent-encoding; `migrate` asks for IPv4 only.
#[test]
fn an_ipv6_address_or_a_socket_folder_works_as_host() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("no IPv6 here");
        return;
    }
    let options = || {
        let listen = Options::default().setting("listen_addresses = '127.0.0.1, ::1'");
        listen.hba("host all all ::1/128 scram-sha-256")
    };
    for host in ["::1", "[::1]", "socket"] {
        let stage = stage::on(Postgres::start_with(|_| options()));
        let folder = stage.postgres.socket_folder().display().to_string();
        let host = if host == "socket" { folder.as_str() } else { host };
        stage.leader().set("DB_HOST", host).run().exits(0);
        let session = stage.session();
        session.run("update __cauldron_state set fingerprint = null");
        session.run("delete from __cauldron_fingerprint");
        stage.leader().set("DB_HOST", host).run().exits(0).event("migration.finished");
    }
}

#[test]
fn an_administrator_that_is_no_superuser() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'm'");
    stage.with_login("manager", "m").run().exits(0);
    stage.with_login("manager", "m").run().exits(0).event("site.up_to_date");
    served(stage.leader()).ping_and_stop();
}

#[test]
fn an_owner_with_the_database_it_was_given() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'own'");
    stage.postgres.run("postgres", "CREATE DATABASE frappe OWNER frappe");
    stage.with_login(DATABASE, "own").run().exits(0);
    // The site's own credentials are in its folder now.
    stage
        .command("bootstrap")
        .set("DB_NAME", DATABASE)
        .set("DB_PASSWORD", "own")
        .run()
        .exits(0)
        .event("site.up_to_date");
}

#[test]
fn an_owner_without_the_right_to_create_gets_the_grant_as_a_hint() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'own'");
    stage.postgres.run("postgres", "CREATE DATABASE frappe");
    let before = stage.snapshot();
    stage
        .with_login(DATABASE, "own")
        .run()
        .exits(77)
        .refuses("privilege-missing")
        .says("GRANT CREATE ON SCHEMA public TO \"frappe\"")
        .says("ALTER DATABASE \"frappe\" OWNER TO \"frappe\"");
    stage.is_unchanged_since(&before);
    // The fix that the hint named.
    stage.postgres.run(DATABASE, "GRANT CREATE ON SCHEMA public TO \"frappe\"");
    stage.with_login(DATABASE, "own").run().exits(0);
}

#[test]
fn a_missing_schema_public_is_a_missing_right() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'own'");
    stage.postgres.run("postgres", "CREATE DATABASE frappe OWNER frappe");
    stage.postgres.run(DATABASE, "DROP SCHEMA public");
    stage.with_login(DATABASE, "own").run().exits(77).refuses("privilege-missing");
}

#[test]
fn a_login_without_the_right_to_create_gets_it_as_a_hint() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE nobody LOGIN PASSWORD 'n'");
    let before = stage.snapshot();
    let refused = stage.with_login("nobody", "n").run().exits(77).refuses("privilege-missing");
    refused.says("CREATEROLE CREATEDB").says("DB_USER=frappe");
    stage.postgres.run("postgres", "ALTER ROLE nobody CREATEROLE");
    stage.with_login("nobody", "n").run().exits(77).says("CREATEDB");
    stage.postgres.run("postgres", "ALTER ROLE nobody NOCREATEROLE");
    stage.is_unchanged_since(&before);
    // The fix that the hint named.
    stage.postgres.run("postgres", "ALTER ROLE nobody CREATEROLE CREATEDB");
    stage.with_login("nobody", "n").run().exits(0);
}

#[test]
fn an_existing_role_with_an_unknown_password_is_refused() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'theirs'");
    let before = stage.snapshot();
    for ours in [None, Some("ours")] {
        let mut binary = stage.leader();
        if let Some(ours) = ours {
            binary = binary.set("SITE_DB_PASSWORD", ours);
        }
        binary.run().exits(77).refuses("role-password-unknown").says("ALTER ROLE \"frappe\" PASSWORD");
        stage.is_unchanged_since(&before);
    }
    stage.leader().set("SITE_DB_PASSWORD", "theirs").run().exits(0);
}

#[test]
fn an_existing_empty_database_is_used() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE DATABASE frappe");
    // Extensions do not count as contents, in whatever schema; managed servers come with some.
    stage
        .postgres
        .run(DATABASE, "CREATE SCHEMA extensions; CREATE EXTENSION pg_stat_statements SCHEMA extensions");
    stage.postgres.run(DATABASE, "CREATE EXTENSION hstore");
    stage.created();
}

#[test]
fn the_case_of_names_is_kept() {
    let stage = stage::empty();
    let binary = || stage.leader().set("DB_NAME", "Frappe-ERP").set("SITE_NAME", "Erp.Test");
    binary().run().exits(0);
    binary().run().exits(0).event("site.up_to_date");
    assert!(stage.postgres.database_exists("Frappe-ERP"));
    assert!(!stage.postgres.database_exists("frappe-erp"));
}

#[test]
fn nothing_is_created_without_the_preconditions() {
    let stage = stage::empty();
    let before = stage.snapshot();
    stage.leader().unset("ADMIN_PASSWORD").run().exits(78).refuses("admin-password-missing");
    stage.is_unchanged_since(&before);
    stage.leader().set("PATH", "/nonexistent").run().exits(78).refuses("psql-missing");
    stage.is_unchanged_since(&before);
}

/// On PostgreSQL 15, CREATEROLE may grant itself every role that is not a superuser.
#[test]
fn an_administrator_that_is_a_member_already() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE frappe LOGIN PASSWORD 'own'");
    stage.postgres.run("postgres", "CREATE ROLE manager LOGIN CREATEDB PASSWORD 'm' IN ROLE frappe");
    stage.with_login("manager", "m").set("SITE_DB_PASSWORD", "own").run().exits(0);
}
