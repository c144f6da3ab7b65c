//! What a leader holds ends with it: the lease of the workers' hold, and what a lease without an end would do.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::place::Place;
use crate::support::wait::eventually;
use crate::workers::{HeldJob, enqueue, lines};

const LEASE: Duration = Duration::from_secs(60);
const KEY: &str = "cauldron:gate:one";

/// A leader that is killed while it waits for a job, which ends then; the next job is in the queue.
fn orphaned(change: impl FnOnce(&Place)) -> (Place, HeldJob) {
    let place = Place::with_release();
    let job = HeldJob::run(&place);
    let leader = place.leader(&place.new).start();
    leader.says("waiting for running jobs before the migration");
    assert!(place.redis_value(KEY).is_some());
    leader.signal(Signal::SIGKILL);
    drop(leader);
    change(&place);
    job.release();
    let touch = format!("'path': '{}'", job.path("touched").display());
    enqueue(&place, "frappe.sample.touch", &touch);
    (place, job)
}

/// The leader is gone before it changed anything, and no other one comes: it holds nobody for long. Beside it the negative
/// control: the same, begun before, with the lease's end taken away.
#[test]
fn a_leader_that_is_gone_holds_nobody_for_long() {
    let (endless, held) = orphaned(|place| {
        assert_eq!(place.redis.ask::<u8>(1, &["PERSIST", KEY]), 1, "it had an end");
    });
    let (place, job) = orphaned(|place| {
        let ends_in_s: i64 = place.redis.ask(1, &["TTL", KEY]);
        assert!((0..=60).contains(&ends_in_s), "the lease ends in {ends_in_s} s");
    });
    eventually(LEASE * 2, "the job is run", || (lines(&job.path("touched")) == 1).then_some(()));
    assert_eq!(place.gate()["stage"], "draining", "nobody came after it");
    assert_eq!(place.redis_value(KEY), None);
    assert_eq!(lines(&held.path("touched")), 0, "without an end of the lease nobody works ever again");
    assert_eq!(endless.redis.ask::<usize>(1, &["LLEN", "rq:queue:one:default"]), 1);
    // The next leader makes an end of it, whatever it finds.
    endless.leader(&endless.new).run().exits(0).says("migrated");
    eventually(LEASE, "the job is run", || (lines(&held.path("touched")) == 1).then_some(()));
    endless.is_migrated();
}
