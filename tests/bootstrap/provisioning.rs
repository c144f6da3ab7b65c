//! Killed while the role and the database are created, and two sites created at once: existing objects never block.

use nix::sys::signal::Signal;

use crate::stage::{self, SITE};
use crate::support::binary::LONG;
use crate::support::wait::{eventually, within};

/// The catalog table that each statement writes: CREATE ROLE, COMMENT ON ROLE, CREATE DATABASE.
const CATALOGUES: [&str; 3] = ["pg_authid", "pg_shdescription", "pg_database"];

#[test]
fn the_next_start_recovers_from_a_kill_at_any_statement() {
    for catalogue in CATALOGUES {
        let stage = stage::empty();
        let blocker = stage.postgres.session("postgres");
        blocker.run("BEGIN");
        blocker.run(&format!("LOCK TABLE pg_catalog.{catalogue} IN SHARE MODE"));
        let mut pod = stage.leader().spawn();
        eventually(LONG, "the statement waits", || {
            let waiting = "exists (select from pg_locks where not granted and locktype = 'relation')";
            blocker.is(waiting).then_some(())
        });
        pod.signal(Signal::SIGKILL);
        assert_eq!(within(LONG, || pod.exit()), Some(-9));
        drop(blocker);
        // The statement may still be carried out on the server when it gets its lock.
        stage.leader().run().exits(0);
        assert_eq!(stage.state("phase").as_deref(), Some("complete"), "at {catalogue}");
        stage.leader().run().exits(0).event("site.up_to_date");
    }
}

#[test]
fn two_sites_of_one_bench_are_created_at_once() {
    let stage = stage::empty();
    let other = stage.leader().set("SITE_NAME", "other.test").set("DB_NAME", "other");
    let pods = [stage.leader().spawn(), other.clone().spawn()];
    for pod in pods {
        pod.end().exits(0);
    }
    stage.leader().run().exits(0).event("site.up_to_date");
    other.run().exits(0).event("site.up_to_date");
    let default = stage.bench.read_config("common_site_config.json")["default_site"].clone();
    assert!(default == SITE || default == "other.test", "{default}");
}
