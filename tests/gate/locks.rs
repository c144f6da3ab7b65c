//! Sessions that block a migration.

use std::thread::JoinHandle;

use nix::sys::signal::Signal;

use crate::stage::{DATABASE, GateStage, LONG};
use crate::support::barrier::Barrier;
use crate::support::postgres::{PASSWORD, SUPERUSER};
use crate::support::session::Session;
use crate::support::wait::eventually;
use crate::upgrade::held_at;

/// Opens a session with the site's own login.
fn of_the_site(stage: &GateStage) -> Session {
    let config = stage.site_config();
    let password = config["db_password"].as_str().expect("a password");
    let mut config = stage.postgres.config(DATABASE);
    config.user(DATABASE).password(password).application_name("a report");
    Session::open(&config).expect("a session of the site's own")
}

fn of_another_role(stage: &GateStage) -> Session {
    let mut config = stage.postgres.config(DATABASE);
    config.user(SUPERUSER).password(PASSWORD);
    Session::open(&config).expect("a session")
}

/// The session that a failed web request leaves: it would block ALTER TABLE forever.
#[test]
fn an_idle_transaction_of_the_sites_own_is_ended() {
    let stage = GateStage::with_release();
    let idle = of_the_site(&stage);
    idle.run("BEGIN; SELECT count(*) FROM \"tabNote\"");
    stage
        .leader_on(&stage.new)
        .run()
        .exits(0)
        .event("migration.idle_session_ended")
        .event("migration.finished");
    stage.is_migrated();
}

/// A transaction of another role is waited for, and named before maintenance starts.
#[test]
fn a_transaction_of_another_role_is_named_before_the_migration_starts() {
    let stage = GateStage::with_release();
    let other = of_another_role(&stage);
    other.run("BEGIN; SELECT count(*) FROM \"tabNote\"");
    let leader = stage.leader_on(&stage.new).start();
    leader.says("of role postgres has had a transaction open");
    assert!(!stage.in_maintenance());
    assert_eq!(stage.logged("two"), "0");
    drop(other);
    let ended = leader.end().exits(0).event("migration.finished");
    assert!(!ended.stderr.contains("migration.failed"), "a long dump does not use up an attempt: {ended}");
    stage.is_migrated();
}

#[test]
fn a_transaction_of_another_role_that_does_not_end_postpones_the_migration() {
    let stage = GateStage::with_release();
    let other = of_another_role(&stage);
    other.run("BEGIN; SELECT count(*) FROM \"tabNote\"");
    let leader = stage.leader_on(&stage.new).set("CAULDRON_MIGRATE_DRAIN", "1s").start();
    leader.says("has had a transaction open on the site's tables for");
    leader.says("\"after_a_change\":false");
    assert!(!stage.in_maintenance());
    assert_eq!(stage.logged("two"), "0");
    drop(other);
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
}

/// A SELECT that runs until it is cancelled.
struct Report {
    pid: String,
    running: JoinHandle<()>,
}

impl Report {
    fn start(stage: &GateStage) -> Self {
        let session = of_the_site(stage);
        let pid = session.value("SELECT pg_backend_pid()").expect("a pid");
        let running = std::thread::spawn(move || {
            let _ = session.query("SELECT pg_sleep(86400) FROM (SELECT count(*) FROM \"tabNote\") AS notes");
        });
        let holds =
            format!("EXISTS (SELECT FROM pg_locks WHERE pid = {pid} AND relation = '\"tabNote\"'::regclass)");
        eventually(LONG, "it reads the table", || stage.session().is(&holds).then_some(()));
        Self { pid, running }
    }

    fn end(self, stage: &GateStage) {
        stage.session().run(&format!("SELECT pg_cancel_backend({})", self.pid));
        self.running.join().expect("the report");
    }
}

/// A running statement is waited for as a job is: web serves, and the migration does not start.
#[test]
fn a_long_select_is_waited_for_before_the_migration_starts() {
    let stage = GateStage::with_release();
    let web = stage.serve(stage.old());
    let report = Report::start(&stage);
    let leader = stage.leader_on(&stage.new).start();
    leader.says(&format!("session {} of role {DATABASE} (a report) has run a statement", report.pid));
    assert_eq!((web.ping(), stage.in_maintenance()), (200, false));
    assert_eq!(stage.logged("two"), "0");
    report.end(&stage);
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
    web.stop();
}

#[test]
fn a_select_that_does_not_end_postpones_the_migration() {
    let stage = GateStage::with_release();
    let report = Report::start(&stage);
    let leader = stage.leader_on(&stage.new).set("CAULDRON_MIGRATE_DRAIN", "1s").start();
    leader.says("has run a statement on the site's tables for");
    leader.says("\"after_a_change\":false");
    eventually(LONG, "the stage is open again", || (stage.gate()["stage"] == "open").then_some(()));
    assert!(!stage.in_maintenance());
    report.end(&stage);
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
}

/// A lock during the migration: migrate waits, all pods show for which session, and migrate continues when it ends.
#[test]
fn a_lock_during_the_migration_is_shown_with_its_holder() {
    let stage = GateStage::with_release();
    let web = stage.serve(stage.old());
    let barrier = Barrier::at("migrate:locked");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    let other = of_another_role(&stage);
    other.run("BEGIN; LOCK TABLE \"tabNote\" IN ACCESS SHARE MODE");
    let pid = other.value("SELECT pg_backend_pid()").expect("a pid");
    held.release();
    leader.event("step.stalled");
    let whom = format!("waits for a lock of session {pid} of role {SUPERUSER}");
    leader.says(&whom);
    eventually(LONG, "the serving pods show it too", || {
        web.status()["gate"]["running"].as_str()?.contains(&whom).then_some(())
    });
    drop(other);
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
    web.stop();
}

/// No lock keeps the site in maintenance forever: the wait is limited, and the error names the session.
#[test]
fn a_lock_that_stays_fails_the_attempt_and_is_named() {
    let stage = GateStage::with_release();
    let barrier = Barrier::at("migrate:locked");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    let other = of_another_role(&stage);
    other.run("BEGIN; LOCK TABLE \"tabNote\" IN ACCESS SHARE MODE");
    let pid = other.value("SELECT pg_backend_pid()").expect("a pid");
    held.release();
    leader.says(&format!("it was blocked by session {pid} of role {SUPERUSER}"));
    leader.says("\"after_a_change\":true");
    let error = stage.gate()["error"].as_str().map(str::to_owned).unwrap_or_default();
    assert!(error.contains("lock timeout"), "{}\n{}", stage.gate(), leader.log());
    leader.signal(Signal::SIGTERM);
    leader.end().exits(143);
    drop(other);
    stage.without_pause();
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    stage.is_migrated();
}

/// A backup shares a lock while it dumps (`take_backup::turn`); its session is one of ours, which the drain overlooks.
#[test]
fn a_backup_is_waited_for_and_costs_no_attempt() {
    let stage = GateStage::with_release();
    let backup = of_the_site(&stage);
    backup.run("SELECT pg_advisory_lock_shared(x'6361756c62636b70'::int8)");
    let waits = || stage.leader_on(&stage.new).set("CAULDRON_MIGRATE_DRAIN", "1s").run();
    for _ in 0..4 {
        waits().exits(75).event("migration.waiting_for_backup");
    }
    assert!(!stage.in_maintenance());
    let leader = stage.leader_on(&stage.new).start();
    leader.event("migration.waiting_for_backup");
    drop(backup);
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
}

/// Limits that an administrator set for web requests end no patch.
#[test]
fn a_migration_may_take_longer_than_the_roles_limits() {
    let stage = GateStage::with_release();
    let body = "local.db.sql('select pg_sleep(2)')\nimport time\ntime.sleep(2)";
    stage.release().patch("three", body);
    for limit in ["statement_timeout", "idle_in_transaction_session_timeout"] {
        stage.postgres.run("postgres", &format!("ALTER ROLE {DATABASE} SET {limit} = '1s'"));
    }
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    stage.is_migrated();
    assert_eq!(stage.logged("three"), "1");
}
