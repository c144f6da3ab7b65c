//! The previous release of this program beside this one during a migration: each pauses its workers, follows and serves
//! by what the other writes to the record, to Redis and to the volume.

use crate::stage::{GateStage, LONG};
use crate::support::barrier::Barrier;
use crate::support::binary::Binary;
use crate::support::generation::{Generation, of_each_generation};
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::support::web::Web;
use crate::upgrade::held_at;
use crate::workers::{enqueue, lines};

type Program = fn(Binary) -> Binary;

/// Runs web and worker pods of the old code and a follower of the new code, while a leader of the new code migrates.
/// Jobs are enqueued with this bench id after the leader has started.
#[track_caller]
fn rolls(generation: Generation, pods: Program, leader: Program, id: &str) {
    let stage = GateStage::with_release_of(generation);
    let web = Web::ready(pods(stage.web_on(stage.old())));
    let mut follower = Web::start(pods(stage.web_on(&stage.new)).set("CAULDRON_BOOTSTRAP", "follow"));
    follower.pod.says("this code is newer than the database");
    let _worker = ready(pods(stage.command_on(stage.old(), "worker").set("CAULDRON_POOL", "default=1")));
    let barrier = Barrier::at("migrate:pre_patches");
    let leader = leader(held_at(stage.leader_on(&stage.new), &barrier)).start();
    let held = barrier.wait(LONG);
    let workers = || stage.redis.ask::<Vec<String>>(1, &["SMEMBERS", "rq:workers:one:default"]);
    eventually(LONG, "no worker runs", || workers().is_empty().then_some(()));
    web.comes_to(503);
    eventually(LONG, "the serving pod shows the other's migration", || {
        web.status()["gate"]["running"]
            .as_str()
            .filter(|running| running.contains("migrates the site"))
            .map(drop)
    });
    let folder = tempfile::tempdir().expect("a folder");
    let touched = folder.path().join("touched");
    enqueue(&stage, "frappe.sample.touch", &format!("'path': '{}'", touched.display()));
    assert_eq!(
        stage.redis.ask::<usize>(1, &["LLEN", &format!("rq:queue:{id}:default")]),
        1,
        "no worker takes it"
    );
    held.release();
    // A log field that both releases have.
    leader.end().exits(0).says("\"took_ms\":");
    stage.is_migrated();
    eventually(LONG, "the job is done", || (lines(&touched) == 1).then_some(()));
    web.comes_to(200);
    eventually(LONG, "the old code knows that it is older", || {
        (web.status()["fingerprint"]["relation"] == "older").then_some(())
    });
    follower.pod.answers("/readyz", 200);
    assert_eq!(follower.status()["fingerprint"]["relation"], "equal");
    follower.stop();
    web.stop();
}

of_each_generation![
    pods_of_the_previous_release_follow_a_migration_by_this_one,
    pods_of_the_previous_release_follow_a_migration_that_changes_the_bench_id,
    pods_of_this_release_follow_a_migration_by_the_previous_one,
];

fn pods_of_the_previous_release_follow_a_migration_by_this_one(generation: Generation) {
    rolls(generation, Binary::of_the_previous_release, |binary| binary, "one");
}

/// Workers that began with the former id are paused too, and use the new one afterwards.
fn pods_of_the_previous_release_follow_a_migration_that_changes_the_bench_id(generation: Generation) {
    let leader: Program = |binary| binary.set("CAULDRON_BENCH_ID", "two");
    rolls(generation, Binary::of_the_previous_release, leader, "two");
}

fn pods_of_this_release_follow_a_migration_by_the_previous_one(generation: Generation) {
    rolls(generation, |binary| binary, Binary::of_the_previous_release, "one");
}
