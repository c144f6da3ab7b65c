//! What there is of a site, and what may be done about it.
//!
//! ```text
//!   database, volume, record ─▶ observe ─▶ Observation ─▶ rows ─▶ decide ─▶ Action, or a refusal
//! ```
//!
//! `observe` looks and changes nothing; `rows` and `decide` are pure. docs/bootstrap.md prints the table.

pub mod decide;
pub mod observe;
pub mod rows;
