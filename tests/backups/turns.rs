//! Backups, migrations and restores wait for each other: a lock in the site's database, of which these tests hold the other
//! side, the exclusive lock of the site, and the mark of a restore.

use std::fs;

use crate::repository::{Backups, DATABASE, PATIENT, SITE};
use crate::support::binary::LONG;
use crate::support::wait::eventually;

/// "caulbckp", as src/postgres/advisory_lock.rs has it.
const KEY: i64 = 0x6361_756c_6263_6b70;

/// A file of ours on the volume.
fn ours(site: &Backups, name: &str) -> std::path::PathBuf {
    site.bench.sites().join(".cauldron").join(SITE).join(name)
}

#[test]
fn a_backup_waits_for_a_migration_and_names_the_code_after_it() {
    let site = Backups::new();
    let migration = site.postgres.session(DATABASE);
    migration.run(&format!("SELECT pg_advisory_lock({KEY})"));
    let backup = site.command("backup --format json").spawn();
    backup.event("backup.waiting_for_migration");
    assert!(!backup.log().contains("backup.database_saved"));
    migration.run("UPDATE public.\"__cauldron_state\" SET fingerprint = 'of the migration'");
    drop(migration);
    let ended = backup.end_within(PATIENT).exits(0).event("backup.finished");
    let manifest: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a manifest");
    assert_eq!(manifest["fingerprint"], "of the migration");
}

#[test]
fn backups_do_not_wait_for_each_other() {
    let site = Backups::new();
    site.taken();
    let other = site.postgres.session(DATABASE);
    other.run(&format!("SELECT pg_advisory_lock_shared({KEY})"));
    let ended = site.command("backup").run().exits(0);
    assert!(!ended.stderr.contains("backup.waiting_for_migration"), "{ended}");
}

/// That command may drop the database, which a session would keep it from.
#[test]
fn a_backup_waits_without_a_session_for_a_command_that_has_the_site() {
    let site = Backups::new();
    let holder = r#"{"id": "x", "host": "h", "command": "bench restore"}"#;
    fs::write(ours(&site, "hold"), holder).expect("the lock");
    let backup = site.command("backup").spawn();
    backup.event("site.waiting_for_exclusive_lock");
    let sessions = "exists (select from pg_stat_activity where application_name like 'cauldron/backup%')";
    assert!(!site.session().is(sessions));
    fs::write(ours(&site, "hold"), "").expect("the lock");
    backup.end_within(PATIENT).exits(0).event("backup.finished");
}

/// Half of what a restore has loaded would be the newest backup.
#[test]
fn an_interrupted_restore_is_not_backed_up() {
    let site = Backups::new();
    let before = site.taken_id();
    let mark = r#"{"from": "backup a", "arguments": "a", "database": true, "files": true}"#;
    fs::write(ours(&site, "restoring.json"), mark).expect("a mark");
    site.command("backup").run().exits(75).refuses("restore-interrupted");
    assert_eq!(site.ids(), [before]);
    fs::remove_file(ours(&site, "restoring.json")).expect("no mark");
    site.taken();
}

/// The database of one site, with the files of another, would be a backup of neither.
#[test]
fn files_that_were_replaced_after_the_dump_began_are_not_backed_up() {
    let site = Backups::new();
    let blocker = site.postgres.session(DATABASE);
    blocker.run("BEGIN; LOCK TABLE \"tabLedger\" IN ACCESS EXCLUSIVE MODE");
    let backup = site.command("backup").spawn();
    let dumps = "exists (select from pg_stat_activity where application_name = 'cauldron/backup')";
    eventually(LONG, "the dump has begun", || site.session().is(dumps).then_some(()));
    let files = site.file("public/files");
    fs::rename(&files, files.with_file_name("before")).expect("set aside");
    fs::create_dir(&files).expect("others");
    fs::write(files.join("logo.png"), "another").expect("a file");
    blocker.run("COMMIT");
    backup.end_within(PATIENT).exits(75).says("were replaced");
    assert!(site.ids().is_empty());
    site.taken();
}
