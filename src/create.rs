//! Creates a site: its role and database, `new-site`, and the clean-up after an interrupted creation.
//!
//! ```text
//!   login ─▶ provision (role, database) ─▶ clear (an interrupted creation of ours) ─▶ new_site
//!                                       └▶ adopt (a lost folder) ─▶ rotation (a new password)
//! ```

pub mod adopt;
pub mod assets;
pub mod clear;
pub mod login;
pub mod new_site;
pub mod provision;
pub mod requirements;
pub mod rotation;
