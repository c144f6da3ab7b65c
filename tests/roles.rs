//! Worker, scheduler, socketio and all, with real RQ, real Redis and a real socket.io client. CAULDRON_TEST_BENCH
//! selects a real bench; CAULDRON_DRILL_ROUNDS sets the number of repetitions.

mod support;

#[path = "roles/aligned.rs"]
mod aligned;
#[path = "roles/all.rs"]
mod all;
#[path = "roles/container.rs"]
mod container;
#[path = "roles/foreign.rs"]
mod foreign;
#[path = "roles/frappe_keys.rs"]
mod frappe_keys;
#[path = "roles/generations.rs"]
mod generations;
#[path = "roles/hold.rs"]
mod hold;
#[path = "roles/job.rs"]
mod job;
#[path = "roles/layout.rs"]
mod layout;
#[path = "roles/leases.rs"]
mod leases;
#[path = "roles/legacy.rs"]
mod legacy;
#[path = "roles/live_events.rs"]
mod live_events;
#[path = "roles/lost.rs"]
mod lost;
#[path = "roles/moves.rs"]
mod moves;
#[path = "roles/parked.rs"]
mod parked;
#[path = "roles/processes.rs"]
mod processes;
#[path = "roles/redis_logins.rs"]
mod redis_logins;
#[path = "roles/redis_urls.rs"]
mod redis_urls;
#[path = "roles/renewal.rs"]
mod renewal;
#[path = "roles/reverse_proxy.rs"]
mod reverse_proxy;
#[path = "roles/same_path.rs"]
mod same_path;
#[path = "roles/scheduler.rs"]
mod scheduler;
#[path = "roles/socketio.rs"]
mod socketio;
#[path = "roles/stage.rs"]
mod stage;
#[path = "roles/stray.rs"]
mod stray;
#[path = "roles/upgraded.rs"]
mod upgraded;
#[path = "roles/verify.rs"]
mod verify;
#[path = "roles/web.rs"]
mod web;
#[path = "roles/web_url.rs"]
mod web_url;
#[path = "roles/worker.rs"]
mod worker;
