//! All that is persisted, typed: our rows in the site's database, our files on the shared volume, and the moments
//! at which they change.
//!
//! ```text
//!   database   state (a row a site) · migrations (a row a fingerprint) · journal (a row an app) · pins · schema · reader
//!   volume     volume (sites/.cauldron/<site>/) · exclusive_lock (its file `hold`)
//!   pure       timing (of the protocol) · phase (of a site) · stage (of a migration) · identity (whose site this is)
//! ```
//!
//! Nothing here decides when to write: what works under the lock is in `leader` and above.

pub mod exclusive_lock;
pub mod identity;
pub mod journal;
pub mod migrations;
pub mod phase;
pub mod pins;
pub mod reader;
pub mod schema;
pub mod stage;
pub mod state;
pub mod timing;
pub mod volume;
