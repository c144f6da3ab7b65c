//! Restores a site: its database, its files and its keys, from a backup or from bench's own archives.
//!
//! ```text
//!   lock ─▶ shut ─▶ no sessions ─▶ mark ─▶ set aside ─▶ load ─▶ compare ─▶ files ─▶ keys ─▶ drop what was set aside ─▶ unmark
//!             └─▶ unpack files ─┘    └────────── killed anywhere: the same command continues, `--undo` goes back ──────┘
//! ```
//!
//! Until everything is restored, the previous database is in a schema beside the new one (`postgres::aside`), and the
//! previous files are in a folder beside the new ones: nothing is lost whatever happens. A mark on the volume keeps the
//! roles from serving half a site (`record::restoring`, docs/restore.md#killed-on-the-way).

mod archive;
pub mod confirm;
mod database;
mod files;
mod hold;
pub mod keys;
pub mod load;
pub mod repository;
pub mod run;
mod settle;
mod source;
pub mod space;
pub mod undo;
pub mod versions;

pub use self::source::{Archives, Source};
