//! Runs the program restic, which keeps the backups: encryption, deduplication, locks and the storage servers are its
//! own. The only room that knows its words, its JSON, its exit codes and its environment
//! (docs/design.md#backups-in-a-restic-repository).
//!
//! ```text
//!   Restic::of (settings) ─▶ check_program (≥ 0.14) ─▶ open: there, or absent ─▶ create
//!                                                        └─▶ snapshots · backup · dump · forget · unlock
//! ```
//!
//! Only what restic 0.14 has is used: it is the version of Debian 12.

mod backup;
mod environment;
mod folder;
mod program;
mod reason;
mod repository;
mod run;
mod snapshot;
mod version;

pub use self::backup::{Saved, Saving, Source, pipe};
pub use self::repository::Presence;
pub use self::run::{OnLine, Restic, Words};
pub use self::snapshot::{Snapshot, SnapshotId};
