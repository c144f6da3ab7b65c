//! The contexts of the work on a site, one for each level of what is ready.
//!
//! ```text
//!   Pod ──dependencies ready──▶ Context ──overlay open──▶ OverlayContext ──site finished──▶ Bootstrapped
//! ```
//!
//! Each is built from the one before it: no connection is opened before the servers work, no Frappe command runs before
//! its overlay exists, and no role serves a site that is not finished.

use std::ops::Deref;

use crate::config::database::DatabaseConfig;
use crate::deps::DepsReady;
use crate::frappe::common_config::Overrides;
use crate::outcome::Result;
use crate::overlay::BenchOverlay;
use crate::pod::Pod;

/// The context of every part of the bootstrap: servers that work, and the name of the site.
pub struct Context<'a> {
    pub pod: &'a Pod,
    pub ready: DepsReady,
    /// The address for Frappe's processes.
    pub database: &'a DatabaseConfig,
    /// The address for our own sessions, which take locks and change the schema.
    pub direct: &'a DatabaseConfig,
    pub site: &'a str,
    /// An app to uninstall from the site; no apps are installed then.
    pub remove: Option<&'a str>,
    pub purpose: Purpose,
}

/// The context with this pod's view of the bench, in which Frappe's commands run.
pub struct OverlayContext<'a> {
    pub context: &'a Context<'a>,
    /// Settings for the environment, if common_site_config.json cannot be written.
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
    /// Adds a site folder to the overlay that was created after it.
    pub fn link_site(&self) -> Result<()> {
        self.overlay.link_site(self.site)
    }
}

/// The purpose of bringing the site up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// A role that stays up whatever the result of a migration.
    #[default]
    Serve,
    /// `bootstrap`: ends with an exit code.
    Once,
    /// `migrate`: the site must exist.
    Migrate {
        /// Grants new attempts to code that used up its attempts.
        retry: bool,
    },
}
