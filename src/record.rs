//! All persisted data as types: our rows in the site's database, our files on the shared volume, and the timings
//! of their changes.
//!
//! ```text
//!   database   state (a row per site; gate is a column) · migrations (a row per fingerprint) · journal (a row per app)
//!              pins · newest_backup · schema · reader · database_id
//!   volume     volume (sites/.cauldron/<site>/) · exclusive_lock (its file `hold`) · restoring (a restore on its way)
//!              restored (the last one that was confirmed) · durations (of steps) · last_verified (of backups)
//!   pure       timing (of the protocol) · phase (of a site) · stage (of a migration) · identity (own site or copy)
//! ```
//!
//! Nothing here decides when to write: the code that works under the lock is in `leader` and above.

pub mod database_id;
pub mod durations;
pub mod exclusive_lock;
pub mod gate;
pub mod identity;
pub mod journal;
pub mod last_verified;
pub mod migrations;
pub mod newest_backup;
pub mod phase;
pub mod pins;
pub mod reader;
pub mod restored;
pub mod restoring;
pub mod schema;
pub mod stage;
pub mod state;
pub mod timing;
pub mod volume;
