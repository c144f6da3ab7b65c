//! `bootstrap` on a real PostgreSQL and the sample bench: what it creates, what it refuses, and what it never changes.

mod support;

#[path = "bootstrap/bench_id.rs"]
mod bench_id;
#[path = "bootstrap/canary.rs"]
mod canary;
#[path = "bootstrap/copies.rs"]
mod copies;
#[path = "bootstrap/create.rs"]
mod create;
#[path = "bootstrap/db_user.rs"]
mod db_user;
#[path = "bootstrap/folders.rs"]
mod folders;
#[path = "bootstrap/follow.rs"]
mod follow;
#[path = "bootstrap/frappe_environment.rs"]
mod frappe_environment;
#[path = "bootstrap/frappe_keys.rs"]
mod frappe_keys;
#[path = "bootstrap/killed.rs"]
mod killed;
#[path = "bootstrap/logins.rs"]
mod logins;
#[path = "bootstrap/lost.rs"]
mod lost;
#[path = "bootstrap/newer.rs"]
mod newer;
#[path = "bootstrap/occupied.rs"]
mod occupied;
#[path = "bootstrap/passwords.rs"]
mod passwords;
#[path = "bootstrap/pods.rs"]
mod pods;
#[path = "bootstrap/pooled.rs"]
mod pooled;
#[path = "bootstrap/previous_release.rs"]
mod previous_release;
#[path = "bootstrap/progress.rs"]
mod progress;
#[path = "bootstrap/provisioning.rs"]
mod provisioning;
#[path = "bootstrap/record_schema.rs"]
mod record_schema;
#[path = "bootstrap/stage.rs"]
mod stage;
#[path = "bootstrap/stopped.rs"]
mod stopped;
#[path = "bootstrap/takeover.rs"]
mod takeover;
#[path = "bootstrap/versions.rs"]
mod versions;
