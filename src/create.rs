//! Making a site: its role and database, `new-site`, and what a creation that was cut off left behind.
//!
//! ```text
//!   login ─▶ provision (role, database) ─▶ clear (a creation of ours that was cut off) ─▶ new_site
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
