//! Wrong settings and databases: each is reported with its id and severity, and gives its exit code.

use std::fs;

use crate::examined::Examined;
use crate::stage::{self, DATABASE, SITE, doctor, examine};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::postgres::{PASSWORD, Postgres, SUPERUSER};
use crate::support::stage::Stage;

#[test]
fn every_wrong_setting_is_reported_and_the_rest_is_checked() {
    let stage = stage::healthy();
    let broken = doctor(&stage)
        .set("GUNICORN_WORKERS", "many")
        .set("CAULDRON_DRAIN", "soon")
        .set("CAULDRON_LOG_LEVEL", "loud")
        .set("CAULDRON_LOG_FORMAT", "xml")
        .set("CAULDRON_WEB_CA", "/nowhere")
        .set("WEB_CONCURRENCY", "canary")
        .set("CAULDRON_GRAC", "canary")
        .set("DB_PASSWORD_FILE", "/nowhere")
        .set("REDIS_CACHE", "http://canary@h");
    let report = Examined::from(broken.run()).exits(78);
    let variables = [
        "GUNICORN_WORKERS",
        "CAULDRON_DRAIN",
        "CAULDRON_LOG_LEVEL",
        "CAULDRON_LOG_FORMAT",
        "CAULDRON_WEB_CA",
        "DB_PASSWORD",
        "REDIS_CACHE",
    ];
    for variable in variables {
        let named =
            |f: &&crate::examined::Finding| f.id == "configuration" && f.subject.starts_with(variable);
        assert!(
            report.findings.iter().find(named).is_some_and(|f| f.severity == "error"),
            "{}",
            report.shown()
        );
    }
    assert!(!report.text.contains("canary"), "{}", report.text);
    let report = report.reports("unused-settings", "warning", "set CAULDRON_GRACE if that was meant");
    let report = report.reports("unused-settings", "warning", "GUNICORN_WORKERS replaces it");
    report
        .reports("redis-connection", "info", "skipped: REDIS_CACHE cannot be used")
        .reports("redis-queue-eviction", "ok", "")
        .reports("site-login", "ok", DATABASE)
        .reports("site", "ok", "complete");
}

#[test]
fn wrong_logins() {
    let stage = stage::healthy();
    let report = Examined::from(doctor(&stage).set("DB_PASSWORD", "wrong").run()).exits(77);
    report.reports("postgres-connection", "error", "DB_PASSWORD").reports("site-login", "ok", DATABASE);
    // The file has another password than the role, which is also an error in the bootstrap's table.
    stage.edit_site_config(|config| {
        config.insert("db_password".into(), "another".into());
    });
    let report = examine(&stage).exits(77).reports("site-login", "error", "ALTER ROLE");
    report.reports("site", "error", "does not open");
}

#[test]
fn missing_rights() {
    let stage = stage::empty();
    stage.postgres.run("postgres", "CREATE ROLE plain LOGIN PASSWORD 'plain-Secret_4'");
    let plain = doctor(&stage).set("DB_USER", "plain").set("DB_PASSWORD", "plain-Secret_4");
    Examined::from(plain.clone().run()).exits(77).reports("login-rights", "error", "CREATEROLE CREATEDB");
    // A role that may connect to the database, but not create tables.
    let sql = format!("CREATE ROLE {DATABASE} LOGIN PASSWORD 'own-Secret_5'");
    stage.postgres.run("postgres", &sql);
    stage.postgres.run("postgres", &format!("CREATE DATABASE {DATABASE}"));
    let owner = doctor(&stage).set("DB_USER", DATABASE).set("DB_PASSWORD", "own-Secret_5");
    let report = Examined::from(owner.clone().run()).exits(77);
    report.reports("database-schema", "error", "GRANT CREATE ON SCHEMA public");
    stage.postgres.run(DATABASE, &format!("GRANT CREATE ON SCHEMA public TO {DATABASE}"));
    Examined::from(owner.run()).exits(0).reports("database-schema", "ok", DATABASE);
    stage.postgres.run("postgres", &format!("REVOKE CONNECT ON DATABASE {DATABASE} FROM public"));
    examine(&stage).exits(77).reports("database", "error", "GRANT CONNECT");
    stage.postgres.run("postgres", &format!("GRANT CONNECT ON DATABASE {DATABASE} TO {DATABASE}"));
    stage.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} NOLOGIN"));
    examine(&stage).exits(77).reports("database-role", "error", "LOGIN");
}

#[test]
fn a_database_that_is_not_utf8() {
    let stage = stage::empty();
    let sql = format!("CREATE DATABASE {DATABASE} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
    stage.postgres.run("postgres", &sql);
    examine(&stage).exits(78).reports("database", "error", "LATIN1");
}

#[test]
fn a_lost_folder_or_database_is_foreign_data() {
    let stage = stage::healthy();
    let folder = stage.bench.sites().join(SITE);
    let away = stage.bench.path().join("away");
    std::fs::rename(&folder, &away).expect("the site's folder is moved");
    let report = examine(&stage).exits(65).reports("site", "error", "the volume is lost");
    report.reports("volume-folder", "info", "absent").reports("site-config", "info", "absent");
    std::fs::rename(&away, &folder).expect("the site's folder is moved back");
    let report = Examined::from(doctor(&stage).set("DB_NAME", "another").run()).exits(65);
    report.reports("site-config", "error", "another").reports("site", "error", "another database");
    stage.postgres.run("postgres", &format!("DROP DATABASE {DATABASE}"));
    examine(&stage).exits(65).reports("site", "error", "empty").reports("site-login", "info", "skipped");
}

#[test]
fn a_creation_that_is_running() {
    let stage = stage::empty();
    let barrier = Barrier::at("site_config");
    let mut leader = stage.manifest("bootstrap");
    for (name, value) in barrier.environment() {
        leader = leader.set(name, value);
    }
    let pod = leader.start();
    let held = barrier.wait(LONG);
    let report = examine(&stage).reports("lock", "info", "held by").reports("state", "ok", "phase creating");
    report.reports("unfinished-attempt", "warning", "attempt").exits(0).reports(
        "site",
        "info",
        "did not finish it",
    );
    drop(pod);
    drop(held);
}

#[test]
fn a_changed_password_is_reported_as_such() {
    let stage = stage::healthy();
    stage.postgres.run("postgres", &format!("ALTER ROLE \"{DATABASE}\" PASSWORD 'rotated'"));
    examine(&stage).exits(77).reports("site-login", "error", "refused").reports(
        "site",
        "error",
        "does not open",
    );
    let report = Examined::from(doctor(&stage).set("SITE_DB_PASSWORD", "rotated").run()).exits(0);
    report.reports("site-login", "info", "SITE_DB_PASSWORD").reports("site", "ok", "recorded as finished");
}

#[test]
fn a_restored_copy_is_recognized_by_its_record() {
    let stage = stage::healthy();
    // A dump carries the row to another database; another OID in the row has the same effect.
    stage.postgres.run(DATABASE, "UPDATE __cauldron_state SET database_oid = 1");
    let report = examine(&stage).exits(0).reports("state", "warning", "restored copy");
    report.reports("site", "info", "no record").reports("identity", "info", "only the volume");
}

#[test]
fn another_installation_and_a_recorded_failure() {
    let stage = stage::healthy();
    let sql = "UPDATE __cauldron_state SET install_id = 'another', last_error = 'disk full'";
    stage.postgres.run(DATABASE, sql);
    let report = examine(&stage).exits(0).reports("identity", "warning", "another");
    report.reports("state", "warning", "disk full");
}

#[test]
fn a_recorded_failure_is_cleared_by_a_later_success() {
    let stage = stage::healthy();
    stage.postgres.run(DATABASE, "UPDATE __cauldron_state SET last_error = 'disk full'");
    stage.created();
    examine(&stage).exits(0).reports("state", "ok", "phase complete");
    // The next failure is recorded again.
    let init = stage.bench.path().join("apps/frappe/frappe/__init__.py");
    let text = fs::read_to_string(&init).expect("__init__.py");
    let line = text.lines().find(|line| line.starts_with("__version__")).expect("a version");
    fs::write(&init, text.replace(line, "__version__ = \"15.0.1\"")).expect("__init__.py");
    stage.manifest("bootstrap").run().exits(65);
    examine(&stage).reports("state", "warning", "frappe is 15.0.1 here");
    fs::write(&init, text).expect("__init__.py");
    stage.created();
    examine(&stage).exits(0).reports("state", "ok", "phase complete");
}

#[test]
fn switches_and_pending_work() {
    let stage = stage::healthy();
    stage.edit_site_config(|config| {
        config.insert("maintenance_mode".into(), 1.into());
        config.insert("pause_scheduler".into(), 1.into());
        config.remove("encryption_key");
    });
    let session = stage.session();
    session.run(r#"delete from "tabPatch Log" where patch like '%widen_the_series'"#);
    session.run(r#"update "tabUser" set last_active = now() - interval '9 days'"#);
    let report = examine(&stage).exits(0).reports("maintenance", "warning", "503");
    let report =
        report.reports("scheduler", "warning", "pause_scheduler").reports("dormant", "info", "9 days");
    let report = report.reports("encryption-key", "warning", "bootstrap");
    // Code that the database was migrated to is not migrated again, whatever Patch Log contains.
    report.reports("pending-patches", "ok", "was migrated to this code");
    session.run("update __cauldron_state set fingerprint = null");
    session.run("delete from __cauldron_fingerprint");
    let report = examine(&stage).exits(0).reports("fingerprint", "info", "would migrate: 1 patch");
    report.reports("pending-patches", "warning", "1 not in Patch Log, the first: ").reports(
        "pending-patches",
        "warning",
        "widen_the_series",
    );
    session.run(r#"update "tabSingles" set value = '0' where field = 'enable_scheduler'"#);
    stage.edit_site_config(|config| {
        config.remove("pause_scheduler");
    });
    examine(&stage).exits(0).reports("scheduler", "warning", "System Settings");
}

/// A login that the server rejects without TLS, and TLS that the server does not offer.
#[test]
fn connections_that_the_server_rejects() {
    let stage = Stage {
        postgres: Postgres::start_with(|_| {
            crate::support::postgres::Options::default()
                .hba(&format!("host all {SUPERUSER} 127.0.0.1/32 reject"))
        }),
        ..stage::empty()
    };
    let report = examine(&stage).exits(77).reports("postgres-connection", "error", "pg_hba.conf");
    assert!(!report.text.contains(PASSWORD));
    let report = Examined::from(doctor(&stage).set("DB_SSLMODE", "require").run()).exits(78);
    report.reports("postgres-connection", "error", "DB_SSLMODE=prefer");
}
