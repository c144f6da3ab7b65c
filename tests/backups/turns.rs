//! Backups and migrations wait for each other: a lock in the site's database, of which these tests hold the other side.

use crate::repository::{Backups, DATABASE};

/// "caulbckp", as src/postgres/advisory_lock.rs has it.
const KEY: i64 = 0x6361_756c_6263_6b70;

#[test]
fn a_backup_waits_for_a_migration() {
    let site = Backups::new();
    let migration = site.postgres.session(DATABASE);
    migration.run(&format!("SELECT pg_advisory_lock({KEY})"));
    let backup = site.command("backup").spawn();
    backup.event("backup.waiting_for_migration");
    assert!(!backup.log().contains("backup.database_saved"));
    drop(migration);
    backup.end().exits(0).event("backup.finished");
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
