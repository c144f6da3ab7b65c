//! What a backup is: its id, the tags of its snapshots, its manifest; which backups a repository has; which are kept. Pure
//! functions and types, no I/O (docs/design.md#backups-in-a-restic-repository).
//!
//! ```text
//!   database ─▶ files ─▶ manifest        three snapshots with one id. The last is the commit point: a backup counts only
//!   (stdin)     (paths)  (stdin)         if its manifest exists, and names the other two
//! ```
//!
//! The manifest is a snapshot of its own, since it says what the other two contain: rows, counts, files that went
//! meanwhile. That is known only once they are made.

pub mod bytes;
pub mod id;
pub mod list;
pub mod manifest;
pub mod retention;
pub mod tags;
