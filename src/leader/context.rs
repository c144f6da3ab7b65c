//! What the work on a site is done with, by what is there already.
//!
//! ```text
//!   Pod ──dependencies ready──▶ Context ──overlay open──▶ OverlayContext ──site finished──▶ Bootstrapped
//! ```
//!
//! Each is made of the one before it, so that nothing connects before the servers work, no command of Frappe's runs
//! before there is a place to run it in, and no role serves a site that is not finished.

use std::ops::Deref;

use crate::config::database::DatabaseConfig;
use crate::deps::DepsReady;
use crate::frappe::common_config::Overrides;
use crate::outcome::Result;
use crate::overlay::BenchOverlay;
use crate::pod::Pod;

/// What every part of the bootstrap works with: servers that work, and a site to look for on them.
pub struct Context<'a> {
    pub pod: &'a Pod,
    pub ready: DepsReady,
    /// As Frappe's processes reach it.
    pub database: &'a DatabaseConfig,
    /// As we reach it, for locks and schema changes.
    pub direct: &'a DatabaseConfig,
    pub site: &'a str,
    /// An app that is to leave the site; none are installed then.
    pub remove: Option<&'a str>,
    pub purpose: Purpose,
}

/// The same with what this pod sees of the bench: Frappe's commands run in it.
pub struct OverlayContext<'a> {
    pub context: &'a Context<'a>,
    /// Where common_site_config.json cannot be written.
    pub overrides: &'a Overrides,
    pub overlay: BenchOverlay,
}

impl<'a> Deref for OverlayContext<'a> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        self.context
    }
}

impl OverlayContext<'_> {
    /// Has the view show a site folder that was made after it.
    pub fn link_site(&self) -> Result<()> {
        self.overlay.link_site(self.site)
    }
}

/// What the site is brought up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// A role that stays up, whatever a migration comes to.
    #[default]
    Serve,
    /// `bootstrap`: an end, and an exit code.
    Once,
    /// `migrate`: the site is there, or that is an error.
    Migrate {
        /// New attempts for what was tried often enough.
        retry: bool,
    },
}
