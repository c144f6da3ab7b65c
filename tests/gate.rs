//! The migration gate: two versions of the code on one volume and one database.

mod support;

#[path = "gate/failures.rs"]
mod failures;
#[path = "gate/kills.rs"]
mod kills;
#[path = "gate/locks.rs"]
mod locks;
#[path = "gate/place.rs"]
mod place;
#[path = "gate/refusals.rs"]
mod refusals;
#[path = "gate/release.rs"]
mod release;
#[path = "gate/upgrade.rs"]
mod upgrade;
#[path = "gate/workers.rs"]
mod workers;
