//! Wrong files of the bench, the site and the apps, and wrong access rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::examined::Examined;
use crate::stage::{self, DATABASE, doctor, examine};
use crate::support::other_app::OtherApp;
use crate::support::skip::skipped;

#[test]
fn a_truncated_file_is_reported_with_its_position() {
    let stage = stage::healthy();
    let path = stage.file("site_config.json");
    fs::write(&path, r#"{"db_name": "doctor_local", "db_password": "canary"#).expect("half a file");
    let report = examine(&stage).exits(78).reports("site-config", "error", "invalid JSON");
    assert!(!report.text.contains("canary"), "{}", report.text);
    let common = stage.bench.sites().join("common_site_config.json");
    fs::write(common, "[]").expect("no object");
    examine(&stage).exits(78).reports("common-config", "error", "not a JSON object");
}

#[test]
fn a_file_that_others_may_read_or_that_differs() {
    let stage = stage::healthy();
    let path = stage.file("site_config.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("an open file");
    stage.bench.configure(serde_json::json!({"socketio_port": 1, "default_site": "gone.local"}));
    let report = Examined::from(doctor(&stage).set("SOCKETIO_PORT", 9000).run()).exits(0);
    report
        .reports("site-config-mode", "warning", "0644")
        .reports("common-config", "info", "socketio_port")
        .reports("default-site", "warning", "gone.local");
}

#[test]
fn a_folder_that_is_no_bench() {
    let stage = stage::healthy();
    let report = Examined::from(doctor(&stage).set("CAULDRON_BENCH", "/nowhere").run()).exits(78);
    report
        .reports("configuration", "error", "is not a bench")
        .reports("volume-folder", "error", "/nowhere/sites")
        .reports("bench-python", "error", "/nowhere/env/bin/python")
        .reports("apps-list", "info", "apps.txt");
}

#[test]
fn missing_programs() {
    let stage = stage::healthy();
    let report = Examined::from(doctor(&stage).set("PATH", "/nowhere").run()).exits(0);
    for id in ["client-psql", "client-pg-dump", "bench-node"] {
        let finding = report.findings.iter().find(|finding| finding.id == id).expect(id);
        assert_eq!(finding.severity, "warning", "{finding:?}");
    }
}

/// Frappe makes PDFs with it: everything else works without it.
#[test]
fn wkhtmltopdf_is_searched_on_the_path() {
    let stage = stage::healthy();
    let folder = tempfile::tempdir().expect("a folder");
    let examine = || Examined::from(doctor(&stage).set("PATH", folder.path().display()).run()).exits(0);
    examine().reports("bench-wkhtmltopdf", "warning", "install wkhtmltopdf in the image");
    let program = stage::add_program(folder.path(), "wkhtmltopdf");
    examine().reports("bench-wkhtmltopdf", "ok", &program.display().to_string());
}

/// No migration could take its backup.
#[test]
fn a_pg_dump_older_than_the_server() {
    let stage = stage::healthy();
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("pg_dump");
    std::fs::write(&program, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n").expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("a script");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("PATH"));
    let report = Examined::from(doctor(&stage).set("PATH", &path).run()).exits(78);
    report.reports("client-pg-dump", "error", "older than the server, which is 15");
    let report =
        Examined::from(doctor(&stage).set("PATH", &path).set("CAULDRON_MIGRATE_BACKUPS", 0).run()).exits(0);
    report.reports("client-pg-dump", "warning", "it refuses to dump that server");
}

#[test]
fn app_lists_that_differ() {
    let mut stage = stage::healthy();
    let app = OtherApp::add(&mut stage.bench);
    app.set_listed(true);
    examine(&stage).exits(0).reports("apps-installed", "info", "ledger").reports(
        "apps-importable",
        "ok",
        "1 of 1",
    );
    stage.postgres.run(
        DATABASE,
        r#"update "tabDefaultValue" set defvalue = '["frappe", "ledger"]' where defkey = 'installed_apps'"#,
    );
    examine(&stage).reports("apps-installed", "ok", "ledger").reports("pending-patches", "warning", "ledger");
    app.set_listed(false);
    examine(&stage).exits(0).reports("apps-installed", "info", "ledger").reports(
        "apps-importable",
        "ok",
        "2 of 2",
    );
    app.set_importable(false);
    examine(&stage).exits(78).reports("apps-importable", "error", "ledger");
    let wanted = doctor(&stage).set("STANDARD_APPS", "frappe:version-15,erpnext:version-15");
    Examined::from(wanted.run()).reports("apps-wanted", "warning", "erpnext");
}

/// Runs as a user without write access: root may write everywhere.
#[test]
fn a_volume_that_this_user_may_not_write() {
    if !nix::unistd::Uid::effective().is_root() {
        skipped("a_volume_that_this_user_may_not_write", "only root can start the program as another user");
        return;
    }
    let stage = stage::healthy();
    let path = stage.file("site_config.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a readable file");
    let stranger = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"];
    let report = Examined::from(doctor(&stage).under(&stranger).run()).exits(77);
    report.reports("volume-writable", "error", "uid 4242").reports(
        "volume-folder",
        "ok",
        "this process is uid 4242",
    );
}
