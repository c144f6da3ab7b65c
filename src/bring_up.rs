//! From a database server and a volume to a site that can be served.
//!
//! ```text
//!   volume ─▶ login ─▶ provision ─▶ lock ─▶ observe ─▶ decide ─▶ act ─▶ gate ─▶ record ─▶ release
//! ```
//!
//! Nothing in the database changes before `decide` allows it, and nothing that this program did not
//! make is ever dropped, cleared or overwritten.

mod act;
pub mod claim;
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

/// The site is there and finished, and its own login is known: a role may serve it.
#[derive(Debug)]
pub struct Bootstrapped {
    pub ready: DepsReady,
    pub overrides: Overrides,
    /// The site's.
    pub database: String,
    /// What every child of this pod sees.
    pub overlay: BenchOverlay,
    /// Installed apps that cannot be imported here: nothing may run yet.
    pub missing: Vec<String>,
    /// The server takes settings with the login (PGOPTIONS); many poolers refuse them.
    pub accepts_settings: bool,
}

/// Brings the site up, or waits for the pod that does.
///
/// # Errors
/// What stopped it, or the signal that did; every one leaves a state that the next start understands.
pub async fn bootstrap(context: &Context<'_>) -> Flow<Bootstrapped> {
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
