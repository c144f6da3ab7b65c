//! The old image starts again after each kind of failure: it never migrates, and serves as soon as that is safe.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::hanging::hanging;
use crate::stage::{GateStage, LONG};
use crate::support::barrier::Barrier;
use crate::support::binary::Pod;
use crate::support::wait::eventually;
use crate::upgrade::held_at;

/// After an interrupted migration, the old image comes up, answers 503, shows the options, and serves when one was
/// taken.
fn waits_for_an_operator(stage: &GateStage, take: impl FnOnce()) {
    let mut old = stage.start_web(stage.old());
    old.pod.event("migration.blocked");
    old.pod.answers("/livez", 200);
    old.comes_to(503);
    old.pod.answers("/readyz", 503);
    eventually(LONG, "the options are shown", || {
        let text = old.pod.body("/readyz?verbose");
        ["migrate --retry", ".dump", "--force"].iter().all(|option| text.contains(option)).then_some(())
    });
    assert!(stage.in_maintenance());
    take();
    old.pod.answers("/readyz", 200);
    old.comes_to(200);
    assert!(!old.pod.log().contains("migration.started"), "{}", old.pod.log());
    old.stop();
}

fn give_up(stage: &GateStage) {
    stage.command_on(stage.old(), "maintenance").argument("off").argument("--force").run().exits(0);
}

fn failing() -> (GateStage, PathBuf) {
    let stage = GateStage::with_release();
    let file = stage.old().path().join("fails");
    std::fs::write(&file, "").expect("a file");
    let body = format!("import os\nassert not os.path.exists('{}'), 'not today'", file.display());
    stage.release().patch("three", &body);
    (stage, file)
}

fn fails_after_a_change(stage: &GateStage) -> Pod {
    let leader = stage.leader_on(&stage.new).start();
    leader.says(r#""after_a_change":true"#);
    leader
}

#[test]
fn it_serves_after_a_patch_that_failed_once() {
    let (stage, file) = failing();
    let leader = fails_after_a_change(&stage);
    std::fs::remove_file(file).expect("the file");
    leader.end().exits(0);
    let old = stage.serve(stage.old());
    assert_eq!(old.status()["fingerprint"]["relation"], "older");
    old.pod.event("migration.code_rolled_back");
    old.stop();
    stage.is_migrated();
}

#[test]
fn after_a_patch_that_always_fails_it_waits_for_maintenance_off() {
    let (stage, _file) = failing();
    drop(fails_after_a_change(&stage));
    waits_for_an_operator(&stage, || give_up(&stage));
    assert_eq!(stage.logged("three"), "0");
}

#[test]
fn after_a_patch_that_hung_it_waits_for_the_migration() {
    let (stage, file) = hanging("time.sleep(0.1)");
    let leader = stage.leader_on(&stage.new).set("CAULDRON_GRACE", "6s").start();
    leader.says("Executing frappe.patches.v15_1.three");
    leader.signal(Signal::SIGTERM);
    leader.end_within(Duration::from_secs(30)).exits(143);
    waits_for_an_operator(&stage, || {
        std::fs::write(file, "").expect("a file");
        stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    });
    stage.is_migrated();
}

/// The failure could not be recorded: the next leader, of either version, detects it.
#[test]
fn after_a_kill_in_a_patch_it_waits_for_maintenance_off() {
    let stage = GateStage::with_release();
    let barrier = Barrier::at("patch:frappe.patches.v15_1.two");
    let leader = held_at(stage.leader_on(&stage.new), &barrier).start();
    let held = barrier.wait(LONG);
    leader.signal(Signal::SIGKILL);
    drop((leader, held, barrier));
    assert_eq!(stage.gate()["stage"], "migrating");
    waits_for_an_operator(&stage, || give_up(&stage));
}

/// Nothing was changed yet, so there is nothing to wait for.
#[test]
fn after_a_kill_before_the_first_change_it_serves_at_once() {
    let stage = GateStage::with_release();
    let postgres = stage.session();
    postgres.run("BEGIN; SELECT count(*) FROM \"tabNote\"");
    let leader = stage.leader_on(&stage.new).start();
    leader.event("migration.waiting_for_session");
    assert_eq!(stage.gate()["stage"], "draining");
    leader.signal(Signal::SIGKILL);
    drop(leader);
    let old = stage.serve(stage.old());
    assert_eq!((old.ping(), stage.in_maintenance()), (200, false));
    assert_eq!(stage.gate()["stage"], "open");
    assert_eq!(stage.redis_value("cauldron:gate:one"), None);
    drop(postgres);
    old.stop();
}
