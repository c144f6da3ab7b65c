//! From a database server and a volume to a site that can be served.
//!
//! ```text
//!   volume ─▶ login ─▶ provision ─▶ lock ─▶ observe ─▶ decide ─▶ act ─▶ gate ─▶ record ─▶ release
//! ```
//!
//! Nothing in the database changes before `decide` allows it, and nothing that this program did not
//! make is ever dropped, cleared or overwritten.

mod act;
mod adopt;
pub mod assets;
pub mod claim;
mod clear;
mod copy;
mod create;
pub mod decide;
mod follow;
pub mod identity;
mod lead;
pub mod leader;
pub mod lock;
pub mod login;
pub mod observe;
mod pooled;
mod prepare;
mod progress;
mod provision;
pub mod record_schema;
mod requirements;
mod rotation;
pub mod rows;
pub mod site_hold;
pub mod sql;
pub mod state;
pub mod step;
mod takeover;
pub mod volume;

use std::path::{Path, PathBuf};

use crate::apps;
use crate::config::database::DatabaseConfig;
use crate::config::{BootstrapMode, Config};
use crate::frappe::bench::Bench;
use crate::frappe::common_config::Overrides;
use crate::health::account::Board;
use crate::join::View;
use crate::outcome::{Result, Stopped};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// What every part of the bootstrap works with.
pub struct Context<'a> {
    pub config: &'a Config,
    /// As Frappe's processes reach it.
    pub database: &'a DatabaseConfig,
    /// As we reach it, for locks and schema changes.
    pub direct: &'a DatabaseConfig,
    pub bench: &'a Bench,
    pub site: &'a str,
    /// Where common_site_config.json cannot be written.
    pub overrides: Overrides,
    /// What this pod sees of the bench, once it has joined the apps.
    pub view: Option<View>,
    /// An app that is to leave the site; none are installed then.
    pub remove: Option<&'a str>,
    pub runtime_dir: &'a Path,
    pub processes: &'a Processes,
    pub shutdown: &'a Shutdown,
    pub board: &'a Board,
    pub purpose: Purpose,
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

impl<'a> Context<'a> {
    /// Where Frappe's commands run.
    pub fn sites(&self) -> PathBuf {
        self.view.as_ref().map_or_else(|| self.bench.sites(), View::sites)
    }

    /// What this pod has joined.
    pub fn view(&self) -> &View {
        self.view.as_ref().expect("apps are joined before anything looks at their code")
    }

    /// Has the view show a site folder that was made after it.
    fn link_site(&self) -> Result<()> {
        self.view.as_ref().map_or(Ok(()), |view| view.link_site(self.site))
    }

    /// What the work on apps needs of it.
    pub fn apps(&self) -> apps::Context<'a> {
        apps::Context {
            config: self.config,
            bench: self.bench,
            runtime_dir: self.runtime_dir,
            processes: self.processes,
            shutdown: self.shutdown,
            board: self.board,
        }
    }
}

/// The site is there and finished, and its own login is known: a role may serve it.
#[derive(Debug)]
pub struct Bootstrapped {
    pub overrides: Overrides,
    /// The site's.
    pub database: String,
    /// What every child of this pod sees.
    pub view: View,
    /// Installed apps that cannot be imported here: nothing may run yet.
    pub missing: Vec<String>,
    /// The server takes settings with the login (PGOPTIONS); many poolers refuse them.
    pub accepts_settings: bool,
}

/// Brings the site up, or waits for the pod that does.
///
/// # Errors
/// What stopped it, or the signal that did; every one leaves a state that the next start understands.
pub async fn bootstrap(context: &Context<'_>) -> std::result::Result<Bootstrapped, Stopped> {
    let leads = match context.config.bootstrap {
        BootstrapMode::Lead => true,
        BootstrapMode::Auto => context.database.login.is_some(),
        BootstrapMode::Follow | BootstrapMode::Off => false,
    };
    if leads {
        lead::lead(context).await
    } else {
        context.shutdown.guard(follow::follow(context, None)).await
    }
}
