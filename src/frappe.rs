//! The one place that knows Frappe's files, settings, commands, tables and queues (docs/frappe-contract.md).

pub mod apps_txt;
pub mod bench_archive;
pub mod bench_id;
pub mod bench_objects;
pub mod command;
pub mod common_config;
pub mod config_cache;
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
pub mod traceback;
