//! The state of a site, and the action that it allows.
//!
//! ```text
//!   database, volume, record ─▶ observe ─▶ Observation ─▶ rows ─▶ decide ─▶ Action, or a refusal
//! ```
//!
//! `observe` reads and changes nothing; `rows` and `decide` are pure. docs/bootstrap.md prints the table.

pub mod decide;
pub mod observe;
pub mod rows;
