//! Worker, scheduler, socketio and all: real RQ, real Redis, a real socket.io client. With CAULDRON_TEST_BENCH on a real
//! bench; with CAULDRON_DRILL_ROUNDS as often as it says.

mod support;

#[path = "roles/all.rs"]
mod all;
#[path = "roles/apart.rs"]
mod apart;
#[path = "roles/foreign.rs"]
mod foreign;
#[path = "roles/hold.rs"]
mod hold;
#[path = "roles/legacy.rs"]
mod legacy;
#[path = "roles/lost.rs"]
mod lost;
#[path = "roles/place.rs"]
mod place;
#[path = "roles/renewal.rs"]
mod renewal;
#[path = "roles/scheduler.rs"]
mod scheduler;
#[path = "roles/socketio.rs"]
mod socketio;
#[path = "roles/stray.rs"]
mod stray;
#[path = "roles/web.rs"]
mod web;
#[path = "roles/worker.rs"]
mod worker;
