//! Health: what is known of this process, and the port where it is told.

pub mod account;
pub mod activity;
pub mod gate;
pub mod login_page;
pub mod metrics;
mod missing_apps;
pub mod other_sites;
pub mod probe;
pub mod queues;
mod role_check;
pub mod server;
