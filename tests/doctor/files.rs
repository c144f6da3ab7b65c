//! Files that are wrong: the bench's, the site's, the apps', and who may touch them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::examined::{DATABASE, Examined, Place, SITE};
use crate::support::other_app::OtherApp;
use crate::support::skip::skipped;

#[test]
fn half_a_file_is_told_where_it_breaks() {
    let place = Place::healthy();
    let path = place.bench.sites().join(SITE).join("site_config.json");
    fs::write(&path, r#"{"db_name": "doctor_local", "db_password": "canary"#).expect("half a file");
    let told = place.examined().exits(78).tells("site-config", "error", "invalid JSON");
    assert!(!told.text.contains("canary"), "{}", told.text);
    let common = place.bench.sites().join("common_site_config.json");
    fs::write(common, "[]").expect("no object");
    place.examined().exits(78).tells("common-config", "error", "not a JSON object");
}

#[test]
fn a_file_that_others_may_read_or_that_says_otherwise() {
    let place = Place::healthy();
    let path = place.bench.sites().join(SITE).join("site_config.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("an open file");
    place.bench.configure(serde_json::json!({"socketio_port": 1, "default_site": "gone.local"}));
    let told = Examined::from(place.doctor().set("SOCKETIO_PORT", 9000).run()).exits(0);
    told.tells("site-config-mode", "warning", "0644").tells("common-config", "info", "socketio_port").tells(
        "default-site",
        "warning",
        "gone.local",
    );
}

#[test]
fn a_bench_that_is_none() {
    let place = Place::healthy();
    let told = Examined::from(place.doctor().set("CAULDRON_BENCH", "/nowhere").run()).exits(78);
    told.tells("configuration", "error", "is no bench")
        .tells("volume-folder", "error", "/nowhere/sites")
        .tells("bench-python", "error", "/nowhere/env/bin/python")
        .tells("apps-list", "info", "apps.txt");
}

#[test]
fn programs_that_are_missing() {
    let place = Place::healthy();
    let told = Examined::from(place.doctor().set("PATH", "/nowhere").run()).exits(0);
    for id in ["client-psql", "client-pg-dump", "bench-node"] {
        let finding = told.findings.iter().find(|finding| finding.id == id).expect(id);
        assert_eq!(finding.severity, "warning", "{finding:?}");
    }
}

/// Every migration would stop at it: no backup could be taken.
#[test]
fn a_pg_dump_older_than_the_server() {
    let place = Place::healthy();
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("pg_dump");
    std::fs::write(&program, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n").expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("a script");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("PATH"));
    let told = Examined::from(place.doctor().set("PATH", &path).run()).exits(78);
    told.tells("client-pg-dump", "error", "older than the server, which is 15");
    let told = Examined::from(place.doctor().set("PATH", &path).set("CAULDRON_BACKUP", 0).run()).exits(0);
    told.tells("client-pg-dump", "warning", "it refuses to dump it");
}

#[test]
fn apps_that_disagree() {
    let mut place = Place::healthy();
    let app = OtherApp::add(&mut place.bench);
    app.set_listed(true);
    place.examined().exits(0).tells("apps-installed", "info", "ledger").tells(
        "apps-importable",
        "ok",
        "1 of 1",
    );
    place.postgres.run(
        DATABASE,
        r#"update "tabDefaultValue" set defvalue = '["frappe", "ledger"]' where defkey = 'installed_apps'"#,
    );
    place.examined().tells("apps-installed", "ok", "ledger").tells("pending-patches", "warning", "ledger");
    app.set_listed(false);
    place.examined().exits(0).tells("apps-installed", "info", "ledger").tells(
        "apps-importable",
        "ok",
        "2 of 2",
    );
    app.set_importable(false);
    place.examined().exits(78).tells("apps-importable", "error", "ledger");
    let wanted = place.doctor().set("STANDARD_APPS", "frappe:version-15,erpnext:version-15");
    Examined::from(wanted.run()).tells("apps-wanted", "warning", "erpnext");
}

/// As a user who may not write: root may everywhere.
#[test]
fn a_volume_that_this_user_may_not_write() {
    if !nix::unistd::Uid::effective().is_root() {
        skipped("a_volume_that_this_user_may_not_write", "only root can start the program as somebody else");
        return;
    }
    let place = Place::healthy();
    let path = place.bench.sites().join(SITE).join("site_config.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a readable file");
    let stranger = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"];
    let told = Examined::from(place.doctor().under(&stranger).run()).exits(77);
    told.tells("volume-writable", "error", "uid 4242").tells(
        "volume-folder",
        "ok",
        "this process is uid 4242",
    );
}
