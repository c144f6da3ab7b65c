//! Migrations: two versions of the code on one volume and one database.

mod support;

#[path = "gate/disk.rs"]
mod disk;
#[path = "gate/failures.rs"]
mod failures;
#[path = "gate/foresight.rs"]
mod foresight;
#[path = "gate/frappe_14.rs"]
mod frappe_14;
#[path = "gate/frappe_16.rs"]
mod frappe_16;
#[path = "gate/hanging.rs"]
mod hanging;
#[path = "gate/kills.rs"]
mod kills;
#[path = "gate/lease.rs"]
mod lease;
#[path = "gate/locks.rs"]
mod locks;
#[path = "gate/other_sites.rs"]
mod other_sites;
#[path = "gate/pods.rs"]
mod pods;
#[path = "gate/previous_release.rs"]
mod previous_release;
#[path = "gate/queues.rs"]
mod queues;
#[path = "gate/refusals.rs"]
mod refusals;
#[path = "gate/release.rs"]
mod release;
#[path = "gate/rollback.rs"]
mod rollback;
#[path = "gate/shared_doctype.rs"]
mod shared_doctype;
#[path = "gate/stage.rs"]
mod stage;
#[path = "gate/upgrade.rs"]
mod upgrade;
#[path = "gate/workers.rs"]
mod workers;
