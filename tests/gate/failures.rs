//! Migrations that fail before or after the first change, and what an operator can do.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::release::LATER;
use crate::stage::{DATABASE, GateStage, LONG, ONCE};
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::wait::eventually;

/// A release whose patch fails as long as a file exists.
fn failing() -> (GateStage, std::path::PathBuf) {
    let stage = GateStage::with_release();
    let file = stage.old().path().join("fails");
    std::fs::write(&file, "").expect("a file");
    let body = format!("import os\nassert not os.path.exists('{}'), 'not today'", file.display());
    stage.release().patch("three", &body);
    (stage, file)
}

/// Sets the number of attempts and makes the last one old, so that no test waits for the delays.
fn attempts(stage: &GateStage, number: i32) {
    stage.session().run(&format!(
        "update public.__cauldron_fingerprint set attempts = {number}, last_attempt = now() - interval '1 h'
         where migrated is null"
    ));
}

#[test]
fn a_patch_that_fails_once_is_tried_again_and_nothing_runs_twice() {
    let (stage, file) = failing();
    let leader = stage.leader_on(&stage.new).start();
    leader.says("\"after_a_change\":true");
    std::fs::remove_file(file).expect("the file");
    leader.end().exits(0).says("three: migrate exited with code 1").event("migration.finished");
    stage.is_migrated();
    assert_eq!(stage.logged("three"), "1");
    assert_eq!(stage.backups().len(), 1, "the backup from before the first change");
}

/// Maintenance stays, and all pods show the same problem, until an operator has fixed it.
#[test]
fn a_patch_that_always_fails_blocks_until_retry() {
    let (stage, file) = failing();
    let mut web = stage.serve(stage.old());
    let leader = stage.leader_on(&stage.new).start();
    leader.says("\"after_a_change\":true");
    drop(leader);
    attempts(&stage, 2);
    let words = "the migration to ";
    let ended = stage.leader_on(&stage.new).run().exits(75).refuses("migration-gave-up");
    ended.says("tried 3 times").says(words).says("migrate --retry");
    // A restart grants no new attempt.
    stage.leader_on(&stage.new).run().exits(75).refuses("migration-gave-up");
    assert!(stage.in_maintenance());
    assert_eq!(stage.gate()["stage"], "failed");
    web.pod.answers("/readyz", 503);
    assert!(web.pod.body("/readyz?verbose").contains("not today"), "{}", web.pod.body("/readyz?verbose"));
    assert!(web.status()["gate"]["problem"].as_str().is_some_and(|problem| problem.contains(words)));
    // The new image's own pods stay up, not ready, and serve once the problem is fixed.
    let mut new = stage.start_web(&stage.new);
    new.pod.event("leader.gave_up");
    new.pod.answers("/readyz", 503);
    // A pod of the old image comes up too: its code was rolled back.
    let mut rolled_back = stage.start_web(stage.old());
    rolled_back.pod.event("migration.blocked");
    rolled_back.pod.answers("/livez", 200);
    rolled_back.comes_to(503);
    rolled_back.pod.answers("/readyz", 503);
    std::fs::remove_file(file).expect("the file");
    stage.leader_on(&stage.new).with_command("migrate").run().exits(75);
    stage
        .leader_on(&stage.new)
        .with_command("migrate")
        .argument("--retry")
        .run()
        .exits(0)
        .event("migration.finished");
    stage.is_migrated();
    for pod in [&mut web, &mut new, &mut rolled_back] {
        pod.pod.answers("/readyz", 200);
        pod.comes_to(200);
    }
    for pod in [web, new, rolled_back] {
        pod.stop();
    }
}

#[test]
fn an_operator_may_abandon_the_migration() {
    let (stage, _file) = failing();
    let leader = stage.leader_on(&stage.new).start();
    leader.says("\"after_a_change\":true");
    leader.signal(Signal::SIGTERM);
    leader.end();
    let maintenance = |words: &[&str]| {
        words.iter().fold(stage.command_on(stage.old(), "maintenance"), |binary, word| binary.argument(word))
    };
    maintenance(&["off"]).run().exits(75).says("--force");
    assert!(stage.in_maintenance());
    maintenance(&["off", "--force"]).run().exits(0).says("given up");
    assert!(!stage.in_maintenance());
    let status = maintenance(&["status", "--format", "json"]).run().exits(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!((status["maintenance"].as_bool(), status["gate"].as_str()), (Some(false), Some("open")));
    stage.serve(stage.old()).stop();
    maintenance(&["on"]).run().exits(0);
    assert!(stage.in_maintenance());
    maintenance(&["off"]).run().exits(0);
    assert!(!stage.in_maintenance());
}

/// A release with the fix is newer code, with its own attempts.
#[test]
fn a_fixed_release_continues_an_interrupted_migration() {
    let (stage, _file) = failing();
    let leader = stage.leader_on(&stage.new).start();
    leader.says("\"after_a_change\":true");
    drop(leader);
    stage.release().patch("three", "pass");
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    stage.is_migrated();
}

/// Restores with the command of docs/upgrades.md.
#[test]
fn a_restored_backup_is_the_old_version_again() {
    let (stage, _file) = failing();
    let leader = stage.leader_on(&stage.new).start();
    leader.says("\"after_a_change\":true");
    drop(leader);
    attempts(&stage, 3);
    let backup = stage.backups().remove(0);
    let restored = std::process::Command::new("pg_restore")
        .args(["--clean", "--if-exists", "--no-owner", "--single-transaction", "--role", DATABASE])
        .args(["-h", stage.postgres.host(), "-p", &stage.postgres.port().to_string()])
        .args(["-U", SUPERUSER, "-d", DATABASE])
        .arg(&backup)
        .env("PGPASSWORD", PASSWORD)
        .output()
        .expect("pg_restore");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let web = stage.serve(stage.old());
    assert_eq!(web.ping(), 200);
    assert!(!stage.in_maintenance());
    assert_eq!(stage.logged("two"), "0");
    web.stop();
    // The whole migration again, with the fixed release.
    stage.release().patch("three", "pass");
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    stage.is_migrated();
}

#[test]
fn a_backup_needs_a_pg_dump_of_the_servers_major() {
    let stage = GateStage::with_release();
    let fake = stage.new.path().join("fake");
    std::fs::create_dir(&fake).expect("a folder");
    std::fs::write(fake.join("pg_dump"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n").expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(fake.join("pg_dump"), mode).expect("a script");
    let path = format!("{}:{}", fake.display(), std::env::var("PATH").expect("PATH"));
    let leader = stage.leader_on(&stage.new).set("PATH", path).start();
    leader.says("pg_dump is version 9, the server is version 15");
    leader.says("\"after_a_change\":false");
    assert_eq!(stage.logged("two"), "0");
}

/// An image with several PostgreSQL clients: Debian's wrapper in PATH starts the newest one, whose dump the server's
/// `pg_restore` cannot read.
#[test]
fn a_backup_is_of_the_servers_major_where_debian_has_several() {
    let stage = GateStage::with_release();
    let fake = stage.new.path().join("fake");
    std::fs::create_dir(&fake).expect("a folder");
    let wrapper = fake.join("pg_wrapper");
    std::fs::write(&wrapper, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 99.1'\nexit 1\n").expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&wrapper, mode).expect("a script");
    std::os::unix::fs::symlink(&wrapper, fake.join("pg_dump")).expect("a link");
    let path = format!("{}:{}", fake.display(), std::env::var("PATH").expect("PATH"));
    stage.leader_on(&stage.new).set("PATH", path).run().exits(0).event("migration.backup_taken");
    let backup = stage.backups().remove(0);
    let listed = std::process::Command::new("pg_restore").arg("--list").arg(&backup).output();
    assert!(listed.is_ok_and(|listed| listed.status.success()), "{} cannot be read", backup.display());
}

/// A requested stop waits for migrate's end within the grace period; after it, the next attempt does the rest.
#[test]
fn a_stop_waits_for_the_end_within_the_grace() {
    let stage = GateStage::with_release();
    let file = stage.old().path().join("goes on");
    let body = format!("import os, time\nwhile not os.path.exists('{}'): time.sleep(0.02)", file.display());
    stage.release().patch("three", &body);
    let leader = stage.leader_on(&stage.new).set("CAULDRON_GRACE", "6s").start();
    leader.says("Executing frappe.patches.v15_1.three");
    leader.signal(Signal::SIGTERM);
    let ended = leader.end_within(Duration::from_secs(20));
    assert_eq!(ended.exit, 143, "{ended}");
    assert_eq!(stage.logged("three"), "0");
    assert_eq!(stage.gate()["stage"], "failed");
    let tried = "select attempts::text from public.__cauldron_fingerprint where migrated is null";
    assert_eq!(stage.session().value(tried).as_deref(), Some("0"), "a stop does not count as an attempt");
    let leader = stage.leader_on(&stage.new).start();
    leader.says("Executing frappe.patches.v15_1.three");
    leader.signal(Signal::SIGTERM);
    leader.event("step.stop_pending");
    std::fs::write(&file, "").expect("a file");
    leader.end().event("migration.finished");
    stage.is_migrated();
    assert_eq!(stage.logged("three"), "1");
}

#[test]
fn a_skipped_patch_is_pending() {
    let stage = GateStage::new();
    stage.release().patch("two", ONCE).field("desk/doctype/note/note", "colour", LATER);
    let name = crate::release::full_name("two");
    stage
        .session()
        .run(&format!("insert into \"tabPatch Log\" (name, patch, skipped) values ('x', '{name}', 1)"));
    stage.leader_on(&stage.new).run().exits(0).says("\"patches\":1");
    stage.is_migrated();
    eventually(LONG, "ready", || (stage.gate()["stage"] == "open").then_some(()));
}
