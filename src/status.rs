//! What is known of this process: written by the commands and roles, read by the health port and the status page.

pub mod account;
pub mod activity;
pub mod checks;
pub mod gate;
mod json;
pub mod metrics;
mod missing_apps;
pub mod other_sites;
pub mod phase;
pub mod queues;
mod role_check;
