//! Settings and databases that are wrong: each is told by its id, with its severity, and gives its exit code.

use std::fs;

use crate::examined::{DATABASE, Examined, Place, SITE};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};

#[test]
fn every_wrong_setting_is_told_and_the_rest_is_looked_at() {
    let place = Place::healthy();
    let broken = place
        .doctor()
        .set("GUNICORN_WORKERS", "many")
        .set("CAULDRON_DRAIN", "soon")
        .set("DB_PASSWORD_FILE", "/nowhere")
        .set("REDIS_CACHE", "http://canary@h");
    let told = Examined::from(broken.run()).exits(78);
    for variable in ["GUNICORN_WORKERS", "CAULDRON_DRAIN", "DB_PASSWORD", "REDIS_CACHE"] {
        let named =
            |f: &&crate::examined::Finding| f.id == "configuration" && f.subject.starts_with(variable);
        assert!(told.findings.iter().find(named).is_some_and(|f| f.severity == "error"), "{}", told.shown());
    }
    assert!(!told.text.contains("canary"), "{}", told.text);
    told.tells("redis-connection", "info", "skipped: REDIS_CACHE cannot be used")
        .tells("redis-queue-eviction", "ok", "")
        .tells("site-login", "ok", DATABASE)
        .tells("site", "ok", "complete");
}

#[test]
fn logins_that_do_not_fit() {
    let place = Place::healthy();
    let told = Examined::from(place.doctor().set("DB_PASSWORD", "wrong").run()).exits(77);
    told.tells("postgres-connection", "error", "DB_PASSWORD").tells("site-login", "ok", DATABASE);
    // Another password than the role's, in the file and so in the bootstrap's table.
    place.edit_site_config(|config| {
        config.insert("db_password".into(), "another".into());
    });
    let told = place.examined().exits(77).tells("site-login", "error", "ALTER ROLE");
    told.tells("site", "error", "does not open");
}

#[test]
fn rights_that_are_missing() {
    let place = Place::empty();
    place.postgres.run("postgres", "CREATE ROLE plain LOGIN PASSWORD 'plain-Secret_4'");
    let plain = place.doctor().set("DB_USER", "plain").set("DB_PASSWORD", "plain-Secret_4");
    Examined::from(plain.clone().run()).exits(77).tells("login-rights", "error", "CREATEROLE CREATEDB");
    // A database that is not the site's: it may connect, and not create.
    let sql = format!("CREATE ROLE {DATABASE} LOGIN PASSWORD 'own-Secret_5'");
    place.postgres.run("postgres", &sql);
    place.postgres.run("postgres", &format!("CREATE DATABASE {DATABASE}"));
    let owner = place.doctor().set("DB_USER", DATABASE).set("DB_PASSWORD", "own-Secret_5");
    let told = Examined::from(owner.clone().run()).exits(77);
    told.tells("database-schema", "error", "GRANT CREATE ON SCHEMA public");
    place.postgres.run(DATABASE, &format!("GRANT CREATE ON SCHEMA public TO {DATABASE}"));
    Examined::from(owner.run()).exits(0).tells("database-schema", "ok", DATABASE);
    place.postgres.run("postgres", &format!("REVOKE CONNECT ON DATABASE {DATABASE} FROM public"));
    place.examined().exits(77).tells("database", "error", "GRANT CONNECT");
    place.postgres.run("postgres", &format!("GRANT CONNECT ON DATABASE {DATABASE} TO {DATABASE}"));
    place.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} NOLOGIN"));
    place.examined().exits(77).tells("database-role", "error", "LOGIN");
}

#[test]
fn a_database_that_is_not_utf8() {
    let place = Place::empty();
    let sql = format!("CREATE DATABASE {DATABASE} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
    place.postgres.run("postgres", &sql);
    place.examined().exits(78).tells("database", "error", "LATIN1");
}

#[test]
fn lost_halves_are_foreign_data() {
    let place = Place::healthy();
    let folder = place.bench.sites().join(SITE);
    let away = place.bench.path().join("away");
    std::fs::rename(&folder, &away).expect("the site's folder is moved");
    let told = place.examined().exits(65).tells("site", "error", "the volume is lost");
    told.tells("volume-folder", "info", "absent").tells("site-config", "info", "absent");
    std::fs::rename(&away, &folder).expect("the site's folder is moved back");
    let told = Examined::from(place.doctor().set("DB_NAME", "another").run()).exits(65);
    told.tells("site-config", "error", "another").tells("site", "error", "another database");
    place.postgres.run("postgres", &format!("DROP DATABASE {DATABASE}"));
    place.examined().exits(65).tells("site", "error", "empty").tells("site-login", "info", "skipped");
}

#[test]
fn a_creation_that_was_cut_off_and_one_that_is_under_way() {
    let place = Place::empty();
    let barrier = Barrier::at("site_config");
    let mut leader = place.manifest("bootstrap");
    for (name, value) in barrier.environment() {
        leader = leader.set(name, value);
    }
    let pod = leader.start();
    let held = barrier.wait(LONG);
    let told = place.examined().tells("lock", "info", "held by").tells("state", "ok", "phase creating");
    told.tells("unfinished-attempt", "warning", "attempt").exits(0).tells(
        "site",
        "info",
        "did not finish it",
    );
    drop(pod);
    drop(held);
}

#[test]
fn a_password_that_changed_is_told_as_what_it_is() {
    let place = Place::healthy();
    place.postgres.run("postgres", &format!("ALTER ROLE \"{DATABASE}\" PASSWORD 'rotated'"));
    place.examined().exits(77).tells("site-login", "error", "refused").tells(
        "site",
        "error",
        "does not open",
    );
    let told = Examined::from(place.doctor().set("SITE_DB_PASSWORD", "rotated").run()).exits(0);
    told.tells("site-login", "info", "SITE_DB_PASSWORD").tells("site", "ok", "recorded as finished");
}

#[test]
fn a_restored_copy_is_known_by_its_record() {
    let place = Place::healthy();
    // A dump carries the row to another database: to the row it is the same as another OID.
    place.postgres.run(DATABASE, "UPDATE __cauldron_state SET database_oid = 1");
    let told = place.examined().exits(0).tells("state", "warning", "restored copy");
    told.tells("site", "info", "no record").tells("identity", "info", "only the volume");
}

#[test]
fn another_installation_and_a_failure_on_record() {
    let place = Place::healthy();
    let sql = "UPDATE __cauldron_state SET install_id = 'another', last_error = 'disk full'";
    place.postgres.run(DATABASE, sql);
    let told = place.examined().exits(0).tells("identity", "warning", "another");
    told.tells("state", "warning", "disk full");
}

#[test]
fn a_failure_on_record_is_over_when_a_later_run_ends_well() {
    let place = Place::healthy();
    place.postgres.run(DATABASE, "UPDATE __cauldron_state SET last_error = 'disk full'");
    place.manifest("bootstrap").run().exits(0);
    place.examined().exits(0).tells("state", "ok", "phase complete");
    // What ends badly is on record again.
    let init = place.bench.path().join("apps/frappe/frappe/__init__.py");
    let text = fs::read_to_string(&init).expect("__init__.py");
    let line = text.lines().find(|line| line.starts_with("__version__")).expect("a version");
    fs::write(&init, text.replace(line, "__version__ = \"15.0.1\"")).expect("__init__.py");
    place.manifest("bootstrap").run().exits(65);
    place.examined().tells("state", "warning", "frappe is 15.0.1 here");
    fs::write(&init, text).expect("__init__.py");
    place.manifest("bootstrap").run().exits(0);
    place.examined().exits(0).tells("state", "ok", "phase complete");
}

#[test]
fn switches_and_pending_work() {
    let place = Place::healthy();
    place.edit_site_config(|config| {
        config.insert("maintenance_mode".into(), 1.into());
        config.insert("pause_scheduler".into(), 1.into());
        config.remove("encryption_key");
    });
    let session = place.postgres.session(DATABASE);
    session.run(r#"delete from "tabPatch Log" where patch like '%widen_the_series'"#);
    session.run(r#"update "tabUser" set last_active = now() - interval '9 days'"#);
    let told = place.examined().exits(0).tells("maintenance", "warning", "503");
    let told = told.tells("scheduler", "warning", "pause_scheduler").tells("dormant", "info", "9 days");
    let told = told.tells("encryption-key", "warning", "bootstrap");
    // What was migrated to is not migrated again, whatever Patch Log says.
    told.tells("pending-patches", "ok", "of this very code");
    session.run("update __cauldron_state set fingerprint = null");
    session.run("delete from __cauldron_fingerprint");
    let told = place.examined().exits(0).tells("fingerprint", "info", "would migrate: 1 patch");
    told.tells("pending-patches", "warning", "1 not in Patch Log, the first: ").tells(
        "pending-patches",
        "warning",
        "widen_the_series",
    );
    session.run(r#"update "tabSingles" set value = '0' where field = 'enable_scheduler'"#);
    place.edit_site_config(|config| {
        config.remove("pause_scheduler");
    });
    place.examined().exits(0).tells("scheduler", "warning", "System Settings");
}

/// A login that is let in over TLS only, and one that is not let in at all.
#[test]
fn what_the_server_does_not_admit() {
    let place = Place {
        postgres: Postgres::start_with(|_| {
            crate::support::postgres::Options::default()
                .hba(&format!("host all {SUPERUSER} 127.0.0.1/32 reject"))
        }),
        ..Place::empty()
    };
    let told = place.examined().exits(77).tells("postgres-connection", "error", "pg_hba.conf");
    assert!(!told.text.contains(PASSWORD));
    let told = Examined::from(place.doctor().set("DB_SSLMODE", "require").run()).exits(78);
    told.tells("postgres-connection", "error", "DB_SSLMODE=prefer");
}
