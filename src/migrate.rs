//! The migration gate: who may migrate, when, in which order, and what happens when it fails.
//!
//! ```text
//!   code ─▶ fingerprint ─┐
//!                        ├─▶ relation ─▶ equal, older: serve
//!   database ─▶ record ──┘            ─▶ newer: pass (order) ─▶ record
//!              evidence               ─▶ unknown: refuse
//! ```
//!
//! `relation` and `order` are pure; everything else is I/O. The record is in the site's database
//! (`record`), beside the bootstrap's own.

pub mod admit;
mod blockers;
mod caches;
pub mod command;
mod drain;
mod evidence;
pub mod foresight;
mod frappe_migrate;
mod hold;
mod imports;
pub mod maintenance;
pub mod other_sites;
pub mod pass;
mod patches;
mod refusal;
pub mod watch;
