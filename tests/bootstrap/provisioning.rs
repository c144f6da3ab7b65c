//! Killed while the role and the database are created, and two sites created at once: existing objects never block.

use nix::sys::signal::Signal;

use crate::place::{Place, SITE};
use crate::support::binary::LONG;
use crate::support::wait::{eventually, within};

/// The catalog table that each statement writes: CREATE ROLE, COMMENT ON ROLE, CREATE DATABASE.
const CATALOGUES: [&str; 3] = ["pg_authid", "pg_shdescription", "pg_database"];

#[test]
fn the_next_start_recovers_from_a_kill_at_any_statement() {
    for catalogue in CATALOGUES {
        let place = Place::new();
        let blocker = place.postgres.session("postgres");
        blocker.run("BEGIN");
        blocker.run(&format!("LOCK TABLE pg_catalog.{catalogue} IN SHARE MODE"));
        let mut pod = place.leader().spawn();
        eventually(LONG, "the statement waits", || {
            let waiting = "exists (select from pg_locks where not granted and locktype = 'relation')";
            blocker.is(waiting).then_some(())
        });
        pod.signal(Signal::SIGKILL);
        assert_eq!(within(LONG, || pod.exit()), Some(-9));
        drop(blocker);
        // The statement may still be carried out on the server when it gets its lock.
        place.leader().run().exits(0);
        assert_eq!(place.state("phase").as_deref(), Some("complete"), "at {catalogue}");
        place.leader().run().exits(0).event("site.up_to_date");
    }
}

#[test]
fn two_sites_of_one_bench_are_created_at_once() {
    let place = Place::new();
    let other = place.leader().set("SITE_NAME", "other.test").set("DB_NAME", "other");
    let pods = [place.leader().spawn(), other.clone().spawn()];
    for pod in pods {
        pod.end().exits(0);
    }
    place.leader().run().exits(0).event("site.up_to_date");
    other.run().exits(0).event("site.up_to_date");
    let default = place.bench.read_config("common_site_config.json")["default_site"].clone();
    assert!(default == SITE || default == "other.test", "{default}");
}
