//! What is known of this process: written by the commands and roles, read by the health port and the status page.

pub mod account;
pub mod activity;
pub mod gate;
pub mod metrics;
mod missing_apps;
pub mod other_sites;
pub mod queues;
mod role_check;
