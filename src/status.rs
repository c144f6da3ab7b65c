//! The status of this process: written by the commands and roles, read by the health port and the status page.
//!
//! ```text
//!   handle ── phase, operation, activity           the current phase, operation, and state of its step
//!      │   ── gate, other_sites                     code and database; the other sites of the bench
//!      │   ── role_name, role_check, missing_apps   the roles
//!      ├──▶ checks     /livez, /startupz, /readyz
//!      ├──▶ json       /status
//!      └──▶ metrics    /metrics, with queues
//! ```

pub mod activity;
pub mod checks;
pub mod gate;
pub mod handle;
mod json;
pub mod metrics;
mod missing_apps;
pub mod operation;
pub mod other_sites;
pub mod phase;
pub mod queues;
mod role_check;
pub mod role_name;
