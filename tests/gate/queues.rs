//! The queue Redis is lost during a migration: afterwards no pause of ours is left, and an operator's suspension is
//! kept.

use crate::stage::{GateStage, LONG};
use crate::support::barrier::{Barrier, Held};
use crate::support::binary::Pod;
use crate::support::redis::{Options, Redis};
use crate::support::wait::eventually;
use crate::upgrade::held_at;
use crate::workers::{enqueue, lines, worker};

const KEY: &str = "cauldron:gate:one";
const OF_THE_OPERATOR: &str = "rq:suspended";

fn workers(stage: &GateStage) -> Vec<String> {
    stage.redis.ask(1, &["SMEMBERS", "rq:workers:one:default"])
}

/// A migration in progress, with all workers paused.
fn in_the_middle(stage: &GateStage) -> (Pod, Held) {
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    eventually(LONG, "no worker runs", || workers(stage).is_empty().then_some(()));
    assert!(stage.redis_value(KEY).is_some());
    (leader, held)
}

#[test]
fn redis_comes_back_empty() {
    let mut stage = GateStage::with_release();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("touched");
    let _worker = worker(&stage);
    let (leader, held) = in_the_middle(&stage);
    stage.redis.kill_9();
    stage.redis.start_again();
    eventually(LONG, "the leader renews the pause", || stage.redis_value(KEY));
    enqueue(&stage, "frappe.sample.touch", &format!("'path': '{}'", path.display()));
    assert!(workers(&stage).is_empty());
    held.release();
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
    eventually(LONG, "the job is run", || (lines(&path) == 1).then_some(()));
}

/// Redis comes back with all its keys, including our pause and the operator's suspension.
#[test]
fn redis_comes_back_with_the_operators_suspension() {
    let redis = Redis::start_with(Options::default().setting("appendonly yes"));
    let mut stage = GateStage::on_redis(redis).released();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("touched");
    let _worker = worker(&stage);
    stage.redis.ask::<String>(1, &["SET", OF_THE_OPERATOR, "1"]);
    let (leader, held) = in_the_middle(&stage);
    stage.redis.kill_9();
    stage.redis.start_again();
    assert_eq!(stage.redis_value(OF_THE_OPERATOR).as_deref(), Some("1"), "Redis forgot it");
    enqueue(&stage, "frappe.sample.touch", &format!("'path': '{}'", path.display()));
    held.release();
    leader.end().exits(0).event("migration.finished");
    stage.is_migrated();
    eventually(LONG, "the workers are back, and suspended", || {
        let mut states = workers(&stage)
            .into_iter()
            .map(|worker| -> Option<String> { stage.redis.ask(1, &["HGET", &worker, "state"]) });
        states.any(|state| state.as_deref() == Some("suspended")).then_some(())
    });
    assert_eq!(stage.redis_value(OF_THE_OPERATOR).as_deref(), Some("1"), "the operator's own");
    assert_eq!(lines(&path), 0);
    stage.redis.ask::<usize>(1, &["DEL", OF_THE_OPERATOR]);
    eventually(LONG, "the job is run", || (lines(&path) == 1).then_some(()));
}
