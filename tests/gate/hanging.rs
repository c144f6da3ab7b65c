//! A patch that does not end: it is reported, and a stop and a retry get out of it.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::stage::{GateStage, LONG};
use crate::support::binary::Pod;
use crate::support::wait::eventually;

const PATCH: &str = "frappe.patches.v15_1.three";

/// A release whose last patch does this until a file exists.
pub fn hanging(what: &str) -> (GateStage, PathBuf) {
    let stage = GateStage::with_release();
    let file = stage.old().path().join("goes on");
    let body = format!("import os, time\nwhile not os.path.exists('{}'):\n    {what}", file.display());
    stage.release().patch("three", &body);
    (stage, file)
}

fn status(pod: &Pod) -> Value {
    serde_json::from_str(&pod.body("/status")).unwrap_or_default()
}

#[test]
fn a_hanging_patch_is_reported_ended_by_a_stop_and_retried() {
    let (stage, file) = hanging("time.sleep(0.1)");
    let web = stage.serve(stage.old());
    let leader = stage.leader_on(&stage.new).set("CAULDRON_GRACE", "6s").start();
    leader.event("step.stalled");
    leader.says(&format!("\"patch\":\"{PATCH}\""));
    leader.says("neither computes nor asks the database");
    let seen = status(&leader);
    assert_eq!(seen["gate"]["progress"]["patch"], PATCH, "{seen}");
    assert_eq!(seen["bootstrap"]["activity"]["doing"], "neither computes nor asks the database", "{seen}");
    eventually(LONG, "the serving pods show it too", || {
        let running = web.status()["gate"]["running"].as_str()?.to_owned();
        (running.contains(PATCH) && running.contains("neither computes")).then_some(())
    });
    leader.signal(Signal::SIGTERM);
    leader.event("step.stop_pending");
    let ended = leader.end_within(Duration::from_secs(30));
    assert_eq!(ended.exit, 143, "{ended}");
    assert_eq!(stage.gate()["stage"], "failed");
    assert_eq!(stage.gate()["error"], format!("a stop was requested during patch {PATCH}"));
    assert!(stage.in_maintenance());
    std::fs::write(file, "").expect("a file");
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    stage.is_migrated();
    assert_eq!(stage.logged("three"), "1");
    web.comes_to(200);
    web.stop();
}

/// A patch that uses the CPU counts as working, however long it takes.
#[test]
fn a_patch_that_uses_the_cpu_is_working() {
    let (stage, file) = hanging("pass");
    let leader = stage.leader_on(&stage.new).start();
    leader.says(&format!("Executing {PATCH}"));
    eventually(LONG, "it computes", || {
        (status(&leader)["bootstrap"]["activity"]["doing"] == "computes").then_some(())
    });
    std::fs::write(file, "").expect("a file");
    let ended = leader.end().exits(0).event("migration.finished");
    assert!(!ended.stderr.contains("step.stalled"), "{ended}");
    stage.is_migrated();
}
