//! Frappe 16 ends its default tick at a multiple of it on the clock.

use serde_json::Value;

use crate::container::Container;
use crate::scheduler::{alone, scheduler, ticked_by_the_clock};
use crate::stage::{LONG, RolesStage};
use crate::support::generation::Generation;
use crate::support::skip::skipped;
use crate::support::stage::ready;
use crate::support::wait::eventually;

#[test]
fn a_new_leader_keeps_the_ticks_of_frappe_16_on_the_clock() {
    const TICK_S: f64 = 8.0;
    let stage = RolesStage::of(Generation::Frappe16).filter(|stage| !stage.bench().is_real());
    let Some(stage) = stage else {
        skipped(
            "a_new_leader_keeps_the_ticks_of_frappe_16_on_the_clock",
            "only the sample bench has a short default",
        );
        return;
    };
    let _alone = alone();
    let container = Container::new(&stage);
    container.configure(&stage, &[("scheduler_tick_interval", Value::Null)]);
    let _pod = ready(scheduler(&container, &stage).set("SAMPLE_BENCH_DEFAULT_TICK", TICK_S));
    let ticks =
        eventually(LONG, "two ticks", || Some(ticked_by_the_clock(&stage)).filter(|ticks| ticks.len() >= 2));
    // A tick takes less than half the interval, and an early one would be later than that.
    assert!(ticks.iter().all(|tick| tick % TICK_S < TICK_S / 2.0), "{ticks:?}");
}
