//! Killed while role and database are made, and two sites made at once: what is there is never in the way.

use nix::sys::signal::Signal;

use crate::place::{Place, SITE};
use crate::support::binary::LONG;
use crate::support::wait::{eventually, within};

/// The catalogue that each statement writes: CREATE ROLE, COMMENT ON ROLE, CREATE DATABASE.
const CATALOGUES: [&str; 3] = ["pg_authid", "pg_shdescription", "pg_database"];

#[test]
fn a_kill_at_any_statement_is_made_up_for() {
    for catalogue in CATALOGUES {
        let place = Place::new();
        let gate = place.postgres.session("postgres");
        gate.run("BEGIN");
        gate.run(&format!("LOCK TABLE pg_catalog.{catalogue} IN SHARE MODE"));
        let mut pod = place.leader().spawn();
        eventually(LONG, "the statement waits", || {
            let waiting = "exists (select from pg_locks where not granted and locktype = 'relation')";
            gate.is(waiting).then_some(())
        });
        pod.signal(Signal::SIGKILL);
        assert_eq!(within(LONG, || pod.exit()), Some(-9));
        drop(gate);
        // The statement may still be done on the server, whenever it gets its lock.
        place.leader().run().exits(0);
        assert_eq!(place.state("phase").as_deref(), Some("complete"), "at {catalogue}");
        place.leader().run().exits(0).says("nothing to do");
    }
}

#[test]
fn two_sites_of_one_bench_do_not_meet() {
    let place = Place::new();
    let other = place.leader().set("SITE_NAME", "other.test").set("DB_NAME", "other");
    let pods = [place.leader().spawn(), other.clone().spawn()];
    for pod in pods {
        pod.end().exits(0);
    }
    place.leader().run().exits(0).says("nothing to do");
    other.run().exits(0).says("nothing to do");
    let default = place.bench.read_config("common_site_config.json")["default_site"].clone();
    assert!(default == SITE || default == "other.test", "{default}");
}
