//! Work under the lock: who has it, what keeps it, and the steps that run while it is held.
//!
//! ```text
//!   lock ─▶ takeover (of a dead leader) ─▶ step (a command of Frappe's) ─▶ progress ─▶ release
//!                                       └▶ backup
//! ```
//!
//! `sighting` is the same as the pods that wait see it.

pub mod backup;
pub mod context;
pub mod lock;
pub mod own;
pub mod pooled;
mod progress;
pub mod sighting;
pub mod step;
pub mod takeover;
