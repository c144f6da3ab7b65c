//! What the work on a site is done with.

use std::path::{Path, PathBuf};

use crate::apps;
use crate::bench::Bench;
use crate::config::Config;
use crate::config::database::DatabaseConfig;
use crate::frappe::common_config::Overrides;
use crate::outcome::Result;
use crate::overlay::View;
use crate::status::account::Board;
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
    pub fn link_site(&self) -> Result<()> {
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
