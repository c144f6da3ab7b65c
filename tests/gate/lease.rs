//! The worker pause ends with its leader: it is a lease, and the test shows what a pause without an expiry would do.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::stage::GateStage;
use crate::support::wait::eventually;
use crate::workers::{HeldJob, enqueue, lines};

const LEASE: Duration = Duration::from_secs(60);
const KEY: &str = "cauldron:gate:one";

/// Kills a leader while it waits for a job, which ends then; the next job is in the queue.
fn orphaned(change: impl FnOnce(&GateStage)) -> (GateStage, HeldJob) {
    let stage = GateStage::with_release();
    let job = HeldJob::run(&stage);
    let leader = stage.leader_on(&stage.new).start();
    leader.event("migration.waiting_for_jobs");
    assert!(stage.redis_value(KEY).is_some());
    leader.signal(Signal::SIGKILL);
    drop(leader);
    change(&stage);
    job.release();
    let touch = format!("'path': '{}'", job.path("touched").display());
    enqueue(&stage, "frappe.sample.touch", &touch);
    (stage, job)
}

/// The leader dies before it changed anything, and no other leader comes: the pause expires. Beside it the negative
/// control: the same, started earlier, with the expiry removed.
#[test]
fn the_pause_of_a_dead_leader_expires() {
    let (endless, held) = orphaned(|stage| {
        assert_eq!(stage.redis.ask::<u8>(1, &["PERSIST", KEY]), 1, "the key had an expiry");
    });
    let (stage, job) = orphaned(|stage| {
        let ends_in_s: i64 = stage.redis.ask(1, &["TTL", KEY]);
        assert!((0..=60).contains(&ends_in_s), "the lease ends in {ends_in_s} s");
    });
    eventually(LEASE * 2, "the job is run", || (lines(&job.path("touched")) == 1).then_some(()));
    assert_eq!(stage.gate()["stage"], "draining", "no other leader came");
    assert_eq!(stage.redis_value(KEY), None);
    assert_eq!(lines(&held.path("touched")), 0, "without an expiry no worker runs again");
    assert_eq!(endless.redis.ask::<usize>(1, &["LLEN", "rq:queue:one:default"]), 1);
    // The next leader ends the pause in any case.
    endless.leader_on(&endless.new).run().exits(0).event("migration.finished");
    eventually(LEASE, "the job is run", || (lines(&held.path("touched")) == 1).then_some(()));
    endless.is_migrated();
}
