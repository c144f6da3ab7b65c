//! The one place that knows how Frappe is laid out on disk, configured and invoked (docs/frappe-contract.md).

pub mod bench_objects;
pub mod command;
pub mod common_config;
pub mod database;
pub mod doctypes;
pub mod environment;
pub mod failure_line;
pub mod hooks;
pub mod installed_apps;
pub mod patches;
pub mod progress_line;
pub mod queues;
pub mod scheduled_jobs;
pub mod scheduler_settings;
pub mod site_config;
pub mod sites;
pub mod supported;
