//! The worker pause ends with its leader: it is a lease, and the test shows what a pause without an expiry would do.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::place::Place;
use crate::support::wait::eventually;
use crate::workers::{HeldJob, enqueue, lines};

const LEASE: Duration = Duration::from_secs(60);
const KEY: &str = "cauldron:gate:one";

/// Kills a leader while it waits for a job, which ends then; the next job is in the queue.
fn orphaned(change: impl FnOnce(&Place)) -> (Place, HeldJob) {
    let place = Place::with_release();
    let job = HeldJob::run(&place);
    let leader = place.leader(&place.new).start();
    leader.event("migration.waiting_for_jobs");
    assert!(place.redis_value(KEY).is_some());
    leader.signal(Signal::SIGKILL);
    drop(leader);
    change(&place);
    job.release();
    let touch = format!("'path': '{}'", job.path("touched").display());
    enqueue(&place, "frappe.sample.touch", &touch);
    (place, job)
}

/// The leader dies before it changed anything, and no other leader comes: the pause expires. Beside it the negative
/// control: the same, started earlier, with the expiry removed.
#[test]
fn the_pause_of_a_dead_leader_expires() {
    let (endless, held) = orphaned(|place| {
        assert_eq!(place.redis.ask::<u8>(1, &["PERSIST", KEY]), 1, "the key had an expiry");
    });
    let (place, job) = orphaned(|place| {
        let ends_in_s: i64 = place.redis.ask(1, &["TTL", KEY]);
        assert!((0..=60).contains(&ends_in_s), "the lease ends in {ends_in_s} s");
    });
    eventually(LEASE * 2, "the job is run", || (lines(&job.path("touched")) == 1).then_some(()));
    assert_eq!(place.gate()["stage"], "draining", "no other leader came");
    assert_eq!(place.redis_value(KEY), None);
    assert_eq!(lines(&held.path("touched")), 0, "without an expiry no worker runs again");
    assert_eq!(endless.redis.ask::<usize>(1, &["LLEN", "rq:queue:one:default"]), 1);
    // The next leader ends the pause in any case.
    endless.leader(&endless.new).run().exits(0).event("migration.finished");
    eventually(LEASE, "the job is run", || (lines(&held.path("touched")) == 1).then_some(()));
    endless.is_migrated();
}
