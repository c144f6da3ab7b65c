//! Negative controls: with the lock or the mark disabled on the server or on the volume, or with a canary changed, the
//! same drill fails. The program itself has no switch for that.

use crate::canaries::Canaries;
use crate::converge::{converge, sessions_of_others};
use crate::edges::cut_off;
use crate::lab::{Lab, UNDISTURBED};
use crate::place::{DATABASE, SITE, held_at};
use crate::pods::eight_pods;
use crate::portrait::{Portrait, attempt};
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
    let lab = Lab::on(without_the_lock());
    misses(eight_pods(&lab), "the lock is off");
}

#[test]
fn without_the_mark_a_kill_is_not_recovered_from() {
    let mut lab = Lab::new();
    cut_off(&lab, &Trace::new(), "doctype:User");
    lab.place.site().run("DELETE FROM public.__cauldron_state");
    misses(converge(&lab, &Trace::new(), None).map(drop), "the mark in the database was deleted");
    lab.reset();
    cut_off(&lab, &Trace::new(), "doctype:User");
    std::fs::remove_file(lab.place.bench.sites().join(".cauldron").join(SITE).join("attempt"))
        .expect("a mark");
    misses(converge(&lab, &Trace::new(), None).map(drop), "the mark on the volume was deleted");
    lab.reset();
    // With both marks the same kill is recovered from.
    cut_off(&lab, &Trace::new(), "doctype:User");
    converge(&lab, &Trace::new(), None).unwrap_or_else(|miss| panic!("{miss}"));
}

#[test]
fn a_changed_canary_is_detected() {
    let mut lab = Lab::new();
    for (database, sql) in [
        ("neighbour", "UPDATE orders SET what = 'ours' WHERE id = 7"),
        ("shop", "DROP TABLE books.sold"),
        ("shop", "DELETE FROM public.stock WHERE id = 42"),
    ] {
        lab.place.postgres.run(database, sql);
        misses(lab.canaries.check(&lab.place), sql);
        lab.canaries = Canaries::set(&lab.place);
    }
    std::fs::remove_file(lab.place.bench.sites().join("note.txt")).expect("a file");
    misses(lab.canaries.check(&lab.place), "a file was deleted");
}

#[test]
fn an_incomplete_site_is_detected() {
    let lab = Lab::new();
    lab.place.created();
    UNDISTURBED.whole.check(&Portrait::of(&lab.place)).expect("it is whole");
    for sql in [
        "DELETE FROM \"tabScheduled Job Type\" WHERE ctid = (SELECT min(ctid) FROM \"tabScheduled Job Type\")",
        "DELETE FROM \"tabPatch Log\" WHERE ctid = (SELECT min(ctid) FROM \"tabPatch Log\")",
        "UPDATE \"__Auth\" SET password = replace(password, '$', '!')",
        "DROP TABLE \"tabNote\"",
        "CREATE TABLE public.left_behind ()",
        "UPDATE __cauldron_state SET holder = 'a pod of old'",
    ] {
        let before = Portrait::of(&lab.place);
        lab.place.site().run(sql);
        misses(before.check(&Portrait::of(&lab.place)), sql);
    }
    assert_eq!(attempt(&lab.place), None);
}

/// A session of an older attempt exists at the barrier of a running step.
#[test]
fn a_session_of_an_older_attempt_is_detected() {
    let lab = Lab::new();
    let trace = Trace::new();
    let barrier = Barrier::at("doctype:User");
    let pod = held_at(lab.pod(&trace), &barrier).spawn();
    let held = barrier.wait(LONG);
    sessions_of_others(&lab, held.pid).expect("its own sessions do not count");
    // A session of another role, so that the leader cannot end it before the check.
    let mut config = lab.place.postgres.config(DATABASE);
    let _old = Session::open(config.application_name("cauldron/abcdefghij0123456789")).expect("a session");
    misses(sessions_of_others(&lab, held.pid), "an older attempt has a session");
    held.release();
    pod.end().exits(0);
}
