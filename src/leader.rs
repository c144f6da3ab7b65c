//! Work under the lock: taking it, keeping it, and the steps that run while it is held.
//!
//! ```text
//!   lock ─▶ takeover (of a dead leader) ─▶ step (a command of Frappe's) ─▶ progress ─▶ release
//!                                       └▶ backup
//! ```
//!
//! `sighting` is the leader as seen by the pods that wait.

pub mod backup;
pub mod context;
pub mod lock;
pub mod own;
pub mod pg_dump;
pub mod planned_step;
pub mod pooled;
mod progress;
pub mod sighting;
pub mod step;
mod step_output;
pub mod takeover;
