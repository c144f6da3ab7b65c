//! The drill: whatever is killed, cut off, stopped, lost or filled, and whenever, the site converges and nothing of
//! others is changed. `cargo test` runs a small part; CAULDRON_DRILL=full (`make drill`) runs everything.
//! CAULDRON_DRILL_SEED repeats the moments and victims of a run; each run prints its seed.
//!
//! A check here returns the failure instead of panicking, so that `control` can show that failures are detected.

mod support;

#[allow(dead_code)] // The bootstrap tests use the rest.
#[path = "bootstrap/stage.rs"]
mod stage;

#[path = "drill/away.rs"]
mod away;
#[path = "drill/canaries.rs"]
mod canaries;
#[path = "drill/control.rs"]
mod control;
#[path = "drill/converge.rs"]
mod converge;
#[path = "drill/cut.rs"]
mod cut;
#[path = "drill/disk.rs"]
mod disk;
#[path = "drill/drill_stage.rs"]
mod drill_stage;
#[path = "drill/edges.rs"]
mod edges;
#[path = "drill/kills.rs"]
mod kills;
#[path = "drill/lost.rs"]
mod lost;
#[path = "drill/pods.rs"]
mod pods;
#[path = "drill/pool.rs"]
mod pool;
#[path = "drill/portrait.rs"]
mod portrait;
#[path = "drill/scale.rs"]
mod scale;
#[path = "drill/strike.rs"]
mod strike;
#[path = "drill/table.rs"]
mod table;
