//! A backup that is killed at a random moment leaves nothing that counts, and nothing that runs.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use rand::RngExt;

use crate::repository::{Backups, has_process};
use crate::support::binary::LONG;
use crate::support::moments;
use crate::support::wait::eventually;

#[test]
fn a_killed_backup_does_not_count_and_the_next_one_does() {
    let mut random = moments::random();
    let site = Backups::new();
    let began = std::time::Instant::now();
    site.taken();
    let whole = began.elapsed();
    for number in 0..moments::kills() {
        site.write(&format!("public/files/{number}"), &random.random::<[u8; 32]>().repeat(1000));
        let backup = site.command("backup").spawn();
        backup.event("backup.started");
        // Anywhere between its first write and its end.
        std::thread::sleep(moments::within(&mut random, whole));
        backup.signal(Signal::SIGKILL);
        drop(backup);
        site.nothing_runs();
    }
    let before = site.listed().len();
    let manifest = site.taken();
    assert_eq!(site.listed().len(), before + 1);
    assert_eq!(manifest["files"]["public"]["count"], 1 + moments::kills());
    assert_eq!(site.locks(), 0, "a backup removes the locks of killed ones");
    site.is_sound();
}

/// restic must not see the end of a script that is not complete. The rate keeps pg_dump in the middle of a table.
#[test]
fn a_dump_that_fails_makes_no_snapshot() {
    let site = Backups::new();
    site.taken();
    site.has_a_large_table();
    let snapshots = || String::from_utf8_lossy(&site.restic(&["snapshots", "--compact"])).into_owned();
    let before = snapshots();
    let backup = site.command("backup").set("CAULDRON_BACKUP_RATE", "1m").spawn();
    let ending = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
                  WHERE application_name = 'cauldron/backup' AND query LIKE 'COPY %tabLarge%'";
    let admin = site.postgres.session("postgres");
    eventually(LONG, "pg_dump is within the table", || admin.is(ending).then_some(()));
    backup.end_within(Duration::from_secs(120)).exits(75).says("pg_dump");
    assert_eq!(before, snapshots());
    // restic has removed its lock: with one, `restic check` refuses.
    assert_eq!(site.locks(), 0);
    site.is_sound();
}

#[test]
fn a_stop_request_ends_a_backup_at_once() {
    let site = Backups::new();
    let blocker = site.postgres.session(crate::repository::DATABASE);
    blocker.run("BEGIN; LOCK TABLE \"tabLedger\" IN ACCESS EXCLUSIVE MODE");
    let backup = site.command("backup").spawn();
    backup.event("backup.started");
    backup.signal(Signal::SIGTERM);
    backup.end().exits(128 + Signal::SIGTERM as i32);
    assert!(!has_process(site.folder.path(), &["restic", "pg_dump"]));
    assert!(site.listed().is_empty());
}

/// A pg_dump that never ends: asked for its version, and after it has closed its output.
#[test]
fn a_stop_request_ends_a_backup_whose_pg_dump_hangs() {
    let site = Backups::new();
    let version = "[ $1 = --version ] && echo 'pg_dump (PostgreSQL) 99.0' && exit;";
    for before in ["", version] {
        let (folder, began) = (tempfile::tempdir().expect("a folder"), site.folder.path().join("began"));
        let _ = std::fs::remove_file(&began);
        let script = format!("#!/bin/sh\n{before}\nexec >&-\ntouch {}\nexec sleep 1000\n", began.display());
        let program = folder.path().join("pg_dump");
        std::fs::write(&program, script).expect("a script");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("its mode");
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("PATH"));
        let backup = site.command("backup").set("PATH", path).spawn();
        eventually(LONG, "pg_dump hangs", || began.exists().then_some(()));
        backup.signal(Signal::SIGTERM);
        backup.end().exits(128 + Signal::SIGTERM as i32);
    }
    assert!(site.listed().is_empty());
}
