//! The migration gate: two versions of the code on one volume and one database.

mod support;

#[path = "gate/place.rs"]
mod place;
#[path = "gate/refusals.rs"]
mod refusals;
#[path = "gate/release.rs"]
mod release;

#[path = "gate/upgrade.rs"]
mod upgrade;
