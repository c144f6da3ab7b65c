//! The queue Redis is lost during a migration: afterwards no pause of ours is left, and an operator's suspension is
//! kept.

use crate::place::{LONG, Place};
use crate::support::barrier::{Barrier, Held};
use crate::support::binary::Pod;
use crate::support::redis::{Options, Redis};
use crate::support::wait::eventually;
use crate::upgrade::held_at;
use crate::workers::{enqueue, lines, worker};

const KEY: &str = "cauldron:gate:one";
const OF_THE_OPERATOR: &str = "rq:suspended";

fn workers(place: &Place) -> Vec<String> {
    place.redis.ask(1, &["SMEMBERS", "rq:workers:one:default"])
}

/// A migration in progress, with all workers paused.
fn in_the_middle(place: &Place) -> (Pod, Held) {
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(place.leader(&place.new), &barrier).start();
    let held = barrier.wait(LONG);
    eventually(LONG, "no worker runs", || workers(place).is_empty().then_some(()));
    assert!(place.redis_value(KEY).is_some());
    (leader, held)
}

#[test]
fn redis_comes_back_empty() {
    let mut place = Place::with_release();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("touched");
    let _worker = worker(&place);
    let (leader, held) = in_the_middle(&place);
    place.redis.kill_9();
    place.redis.start_again();
    eventually(LONG, "the leader renews the pause", || place.redis_value(KEY));
    enqueue(&place, "frappe.sample.touch", &format!("'path': '{}'", path.display()));
    assert!(workers(&place).is_empty());
    held.release();
    leader.end().exits(0).event("migration.finished");
    place.is_migrated();
    eventually(LONG, "the job is run", || (lines(&path) == 1).then_some(()));
}

/// Redis comes back with all its keys, including our pause and the operator's suspension.
#[test]
fn redis_comes_back_with_the_operators_suspension() {
    let redis = Redis::start_with(Options::default().setting("appendonly yes"));
    let mut place = Place::on_redis(redis).released();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("touched");
    let _worker = worker(&place);
    place.redis.ask::<String>(1, &["SET", OF_THE_OPERATOR, "1"]);
    let (leader, held) = in_the_middle(&place);
    place.redis.kill_9();
    place.redis.start_again();
    assert_eq!(place.redis_value(OF_THE_OPERATOR).as_deref(), Some("1"), "Redis forgot it");
    enqueue(&place, "frappe.sample.touch", &format!("'path': '{}'", path.display()));
    held.release();
    leader.end().exits(0).event("migration.finished");
    place.is_migrated();
    eventually(LONG, "the workers are back, and suspended", || {
        let mut states = workers(&place)
            .into_iter()
            .map(|worker| -> Option<String> { place.redis.ask(1, &["HGET", &worker, "state"]) });
        states.any(|state| state.as_deref() == Some("suspended")).then_some(())
    });
    assert_eq!(place.redis_value(OF_THE_OPERATOR).as_deref(), Some("1"), "the operator's own");
    assert_eq!(lines(&path), 0);
    place.redis.ask::<usize>(1, &["DEL", OF_THE_OPERATOR]);
    eventually(LONG, "the job is run", || (lines(&path) == 1).then_some(()));
}
