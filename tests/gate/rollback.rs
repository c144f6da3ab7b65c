//! The old image starts again after each kind of failure: it never migrates, and serves as soon as that is safe.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::hanging::hanging;
use crate::place::{LONG, Place};
use crate::support::barrier::Barrier;
use crate::support::binary::Pod;
use crate::support::wait::eventually;
use crate::upgrade::held_at;

/// After an interrupted migration, the old image comes up, answers 503, shows the options, and serves when one was
/// taken.
fn waits_for_an_operator(place: &Place, take: impl FnOnce()) {
    let mut old = place.start_web(&place.old);
    old.pod.event("migration.blocked");
    old.pod.answers("/livez", 200);
    old.comes_to(503);
    old.pod.answers("/readyz", 503);
    eventually(LONG, "the options are shown", || {
        let text = old.pod.body("/readyz?verbose");
        ["migrate --retry", ".dump", "--force"].iter().all(|option| text.contains(option)).then_some(())
    });
    assert!(place.in_maintenance());
    take();
    old.pod.answers("/readyz", 200);
    old.comes_to(200);
    assert!(!old.pod.log().contains("migration.started"), "{}", old.pod.log());
    old.stop();
}

fn give_up(place: &Place) {
    place.on(&place.old, "maintenance").argument("off").argument("--force").run().exits(0);
}

fn failing() -> (Place, PathBuf) {
    let place = Place::with_release();
    let file = place.old.path().join("fails");
    std::fs::write(&file, "").expect("a file");
    let body = format!("import os\nassert not os.path.exists('{}'), 'not today'", file.display());
    place.release().patch("three", &body);
    (place, file)
}

fn fails_after_a_change(place: &Place) -> Pod {
    let leader = place.leader(&place.new).start();
    leader.says("after_a_change=true");
    leader
}

#[test]
fn it_serves_after_a_patch_that_failed_once() {
    let (place, file) = failing();
    let leader = fails_after_a_change(&place);
    std::fs::remove_file(file).expect("the file");
    leader.end().exits(0);
    let old = place.serve(&place.old);
    assert_eq!(old.status()["fingerprint"]["relation"], "older");
    old.pod.event("migration.code_rolled_back");
    old.stop();
    place.is_migrated();
}

#[test]
fn after_a_patch_that_always_fails_it_waits_for_maintenance_off() {
    let (place, _file) = failing();
    drop(fails_after_a_change(&place));
    waits_for_an_operator(&place, || give_up(&place));
    assert_eq!(place.logged("three"), "0");
}

#[test]
fn after_a_patch_that_hung_it_waits_for_the_migration() {
    let (place, file) = hanging("time.sleep(0.1)");
    let leader = place.leader(&place.new).set("CAULDRON_GRACE", "6s").start();
    leader.says("Executing frappe.patches.v15_1.three");
    leader.signal(Signal::SIGTERM);
    leader.end_within(Duration::from_secs(30)).exits(143);
    waits_for_an_operator(&place, || {
        std::fs::write(file, "").expect("a file");
        place.leader(&place.new).run().exits(0).event("migration.finished");
    });
    place.is_migrated();
}

/// The failure could not be recorded: the next leader, of either version, detects it.
#[test]
fn after_a_kill_in_a_patch_it_waits_for_maintenance_off() {
    let place = Place::with_release();
    let barrier = Barrier::at("patch:frappe.patches.v15_1.two");
    let leader = held_at(place.leader(&place.new), &barrier).start();
    let held = barrier.wait(LONG);
    leader.signal(Signal::SIGKILL);
    drop((leader, held, barrier));
    assert_eq!(place.gate()["stage"], "migrating");
    waits_for_an_operator(&place, || give_up(&place));
}

/// Nothing was changed yet, so there is nothing to wait for.
#[test]
fn after_a_kill_before_the_first_change_it_serves_at_once() {
    let place = Place::with_release();
    let postgres = place.site();
    postgres.run("BEGIN; SELECT count(*) FROM \"tabNote\"");
    let leader = place.leader(&place.new).start();
    leader.event("migration.waiting_for_session");
    assert_eq!(place.gate()["stage"], "draining");
    leader.signal(Signal::SIGKILL);
    drop(leader);
    let old = place.serve(&place.old);
    assert_eq!((old.ping(), place.in_maintenance()), (200, false));
    assert_eq!(place.gate()["stage"], "open");
    assert_eq!(place.redis_value("cauldron:gate:one"), None);
    drop(postgres);
    old.stop();
}
