//! Migrations: who may migrate, when, in which order, and what happens when one fails.
//!
//! ```text
//!   code ─▶ fingerprint ─┐
//!                        ├─▶ relation ─▶ decide ─▶ serve
//!   database ─▶ record ──┘                      ─▶ migrate: run (stage by stage) ─▶ record
//!              evidence                         ─▶ refuse
//! ```
//!
//! `relation`, `decide` and the stages are pure; everything else is I/O. The record is in the site's database
//! (`record`), beside the bootstrap's own.

pub mod admit;
mod blockers;
mod caches;
pub mod decide;
mod drain;
mod evidence;
mod frappe_migrate;
mod imports;
pub mod maintenance;
pub mod other_sites;
pub mod plan;
pub mod refusal;
pub mod run;
mod service;
pub mod turn;
pub mod watch;
pub mod worker_pause;
