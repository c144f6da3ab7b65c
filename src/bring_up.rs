//! Brings a site from a database server and a volume to the point where it can be served.
//!
//! ```text
//!   volume ─▶ login ─▶ provision ─▶ lock ─▶ observe ─▶ decide ─▶ act ─▶ migrate ─▶ record ─▶ release
//! ```
//!
//! Nothing in the database changes before `decide` allows it, and nothing that this program did not create is ever
//! dropped, cleared or overwritten.

mod act;
pub mod claim;
pub mod claims;
mod copy;
mod follow;
mod lead;
mod prepare;

use crate::config::BootstrapMode;
use crate::deps::DepsReady;
use crate::frappe::common_config::Overrides;
use crate::leader::context::Context;
use crate::outcome::Flow;
use crate::overlay::BenchOverlay;
use crate::record::restoring::refuse_unfinished;
use crate::record::volume::Volume;

/// A finished site whose own login is known: a role may serve it.
#[derive(Debug)]
pub struct Bootstrapped {
    pub ready: DepsReady,
    pub overrides: Overrides,
    /// The name of the site's database.
    pub database: String,
    /// The view of the bench for every child of this pod.
    pub overlay: BenchOverlay,
    /// Installed apps that cannot be imported here: no role may start while there are any.
    pub missing: Vec<String>,
    /// True if the server accepts settings with the login (PGOPTIONS); many poolers refuse them.
    pub accepts_settings: bool,
}

/// Brings the site up as the leader, or waits for the pod that does.
///
/// # Errors
/// The fault or the signal that stopped it. Each leaves a state from which the next start can continue.
pub async fn bootstrap(context: &Context<'_>) -> Flow<Bootstrapped> {
    let volume = Volume::read_only(context.pod.bench.cauldron_site(context.site));
    refuse_unfinished(volume.restoring()?.as_ref())?;
    let leads = match context.pod.config.bootstrap {
        BootstrapMode::Lead => true,
        BootstrapMode::Auto => context.database.login.is_some(),
        BootstrapMode::Follow | BootstrapMode::Off => false,
    };
    if leads {
        lead::lead(context).await
    } else {
        context.pod.shutdown.guard(follow::follow(context, None)).await
    }
}
