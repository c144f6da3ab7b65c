//! A creation that is stopped, or that loses its lock: the step ends, the lock is free, and the site is not marked
//! complete.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::stage::{self, held_at};
use crate::support::barrier::Barrier;
use crate::support::binary::LONG;
use crate::support::port;
use crate::support::wait::eventually;

const LOCKS: &str = "select count(*)::text from pg_locks where locktype = 'advisory'";

fn is_gone(pid: u32) -> Option<()> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| stat.contains(") Z ")).then_some(())
}

#[test]
fn term_during_a_creation_stops_the_step_and_frees_the_lock() {
    for (command, code) in [("bootstrap", 143), ("web", 0)] {
        let stage = stage::empty();
        let barrier = Barrier::at("doctype:User");
        let web_addr = format!("127.0.0.1:{}", port::free());
        let leader = stage.leader().with_command(command).set("CAULDRON_WEB_ADDR", web_addr);
        let mut pod = held_at(leader, &barrier).start();
        let held = barrier.wait(LONG);
        // The control for the checks below.
        assert_ne!(stage.session().value(LOCKS).as_deref(), Some("0"));
        assert_eq!(pod.probe("/readyz"), 503);
        pod.answers("/startupz", 200);
        let requested = Instant::now();
        pod.signal(Signal::SIGTERM);
        pod.end_within(Duration::from_secs(10)).exits(code);
        assert!(requested.elapsed() < Duration::from_secs(5), "{:?}", requested.elapsed());
        assert_eq!(is_gone(held.pid), Some(()), "the step outlived its supervisor");
        eventually(LONG, "the lock is free", || {
            (stage.session().value(LOCKS).as_deref() == Some("0")).then_some(())
        });
        stage.leader().run().exits(0).event("site.unfinished_cleared");
    }
}

/// The server, a pooler or the network ends the session that holds the lock: from then on another pod may lead.
#[test]
fn a_lost_lock_kills_the_step() {
    let stage = stage::empty();
    let barrier = Barrier::at("doctype:User");
    let pod = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    let cut =
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cauldron/lock'";
    assert_eq!(stage.session().run(cut).len(), 1);
    let ended = pod.end_within(Duration::from_secs(20));
    assert_eq!(is_gone(held.pid), Some(()), "the step continues without a lock");
    ended.exits(75);
    assert_eq!(stage.state("phase").as_deref(), Some("creating"));
    stage.leader().run().exits(0).event("site.unfinished_cleared");
}

/// PostgreSQL stops and comes back while Frappe creates the site.
#[test]
fn a_server_that_restarts_during_a_creation() {
    let mut stage = stage::empty();
    let barrier = Barrier::at("doctype:User");
    let pod = held_at(stage.leader(), &barrier).spawn();
    let held = barrier.wait(LONG);
    stage.postgres.kill_9();
    pod.end_within(Duration::from_secs(20)).exits(75);
    assert_eq!(is_gone(held.pid), Some(()));
    stage.postgres.start_again();
    stage.leader().run().exits(0).event("site.unfinished_cleared");
}
