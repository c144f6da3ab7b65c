//! Negative controls: with the lock or the mark disabled on the server or on the volume, or with a canary changed, the
//! same drill fails. The program itself has no switch for that.

use crate::canaries::Canaries;
use crate::converge::{converge, sessions_of_others};
use crate::drill_stage::{DrillStage, UNDISTURBED};
use crate::edges::cut_off;
use crate::pods::eight_pods;
use crate::portrait::{Portrait, attempt};
use crate::stage::{DATABASE, SITE, held_at};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::postgres::{Options, Postgres};
use crate::support::session::Session;
use crate::support::trace::Trace;

/// A server that grants every advisory lock to every session: the template of all new databases is changed.
fn without_the_lock() -> Postgres {
    let postgres = Postgres::start_with(|_| Options::default().setting("allow_system_table_mods = on"));
    postgres.run("postgres", "ALTER DATABASE template0 ALLOW_CONNECTIONS true");
    postgres.run(
        "template0",
        "ALTER FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RENAME TO pg_try_advisory_lock_of_old;
         CREATE FUNCTION pg_catalog.pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    );
    postgres
}

#[track_caller]
fn misses(outcome: Result<(), String>, what: &str) {
    let miss = outcome.expect_err(what);
    let seen: String = miss.lines().next().unwrap_or_default().chars().take(150).collect();
    println!("control: {what}: {seen}");
}

#[test]
fn without_the_lock_eight_pods_fail() {
    let stage = DrillStage::on(without_the_lock());
    misses(eight_pods(&stage), "the lock is off");
}

#[test]
fn without_the_mark_a_kill_is_not_recovered_from() {
    let mut stage = DrillStage::new();
    cut_off(&stage, &Trace::new(), "doctype:User");
    stage.session().run("DELETE FROM public.__cauldron_state");
    misses(converge(&stage, &Trace::new(), None).map(drop), "the mark in the database was deleted");
    stage.reset();
    cut_off(&stage, &Trace::new(), "doctype:User");
    std::fs::remove_file(stage.bench.sites().join(".cauldron").join(SITE).join("attempt")).expect("a mark");
    misses(converge(&stage, &Trace::new(), None).map(drop), "the mark on the volume was deleted");
    stage.reset();
    // With both marks the same kill is recovered from.
    cut_off(&stage, &Trace::new(), "doctype:User");
    converge(&stage, &Trace::new(), None).unwrap_or_else(|miss| panic!("{miss}"));
}

#[test]
fn a_changed_canary_is_detected() {
    let mut stage = DrillStage::new();
    for (database, sql) in [
        ("neighbour", "UPDATE orders SET what = 'ours' WHERE id = 7"),
        ("shop", "DROP TABLE books.sold"),
        ("shop", "DELETE FROM public.stock WHERE id = 42"),
    ] {
        stage.postgres.run(database, sql);
        misses(stage.canaries.check(&stage), sql);
        stage.canaries = Canaries::set(&stage);
    }
    std::fs::remove_file(stage.bench.sites().join("note.txt")).expect("a file");
    misses(stage.canaries.check(&stage), "a file was deleted");
}

#[test]
fn an_incomplete_site_is_detected() {
    let stage = DrillStage::new();
    stage.created();
    UNDISTURBED.whole.check(&Portrait::of(&stage)).expect("it is whole");
    for sql in [
        "DELETE FROM \"tabScheduled Job Type\" WHERE ctid = (SELECT min(ctid) FROM \"tabScheduled Job Type\")",
        "DELETE FROM \"tabPatch Log\" WHERE ctid = (SELECT min(ctid) FROM \"tabPatch Log\")",
        "UPDATE \"__Auth\" SET password = replace(password, '$', '!')",
        "DROP TABLE \"tabNote\"",
        "CREATE TABLE public.left_behind ()",
        "UPDATE __cauldron_state SET holder = 'a pod of old'",
    ] {
        let before = Portrait::of(&stage);
        stage.session().run(sql);
        misses(before.check(&Portrait::of(&stage)), sql);
    }
    assert_eq!(attempt(&stage), None);
}

/// A session of an older attempt exists at the barrier of a running step.
#[test]
fn a_session_of_an_older_attempt_is_detected() {
    let stage = DrillStage::new();
    let trace = Trace::new();
    let barrier = Barrier::at("doctype:User");
    let pod = held_at(stage.pod(&trace), &barrier).spawn();
    let held = barrier.wait(LONG);
    sessions_of_others(&stage, held.pid).expect("its own sessions do not count");
    // A session of another role, so that the leader cannot end it before the check.
    let mut config = stage.postgres.config(DATABASE);
    let _old = Session::open(config.application_name("cauldron/abcdefghij0123456789")).expect("a session");
    misses(sessions_of_others(&stage, held.pid), "an older attempt has a session");
    held.release();
    pod.end().exits(0);
}
