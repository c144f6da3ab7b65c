//! The upgrade from Frappe 15 to 16, with the RQ of each.

use crate::stage::{GateStage, LONG};
use crate::support::stage::ready;
use crate::support::wait::eventually;
use crate::workers::{enqueue, lines};

#[test]
fn jobs_that_wait_during_the_upgrade_are_run_by_frappe_16() {
    let stage = GateStage::to_frappe_16();
    let folder = tempfile::tempdir().expect("a folder");
    let touched = folder.path().join("touched");
    for _ in 0..3 {
        enqueue(&stage, "frappe.sample.touch", &format!("'path': '{}'", touched.display()));
    }
    stage.leader_on(&stage.new).run().exits(0).event("migration.finished");
    stage.is_migrated();
    let waiting: Vec<String> = stage.redis.ask(1, &["LRANGE", "rq:queue:one:default", "0", "-1"]);
    assert!(waiting.len() == 3 && waiting.iter().all(|id| id.contains("::")), "{waiting:?}");
    let _worker = ready(stage.command_on(&stage.new, "worker").set("CAULDRON_POOL", "default=2"));
    eventually(LONG, "each runs", || (lines(&touched) == 3).then_some(()));
    eventually(LONG, "each is finished", || {
        (stage.redis.ask::<usize>(1, &["ZCARD", "rq:finished:one:default"]) == 3).then_some(())
    });
}
