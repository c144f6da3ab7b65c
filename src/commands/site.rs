//! What every command that works on a site does first: processes, health port, servers, dependencies,
//! bootstrap.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::apps::joined_by;
use crate::bench::Bench;
use crate::bring_up::{Bootstrapped, bootstrap};
use crate::config::Config;
use crate::config::database::DatabaseConfig;
use crate::deps::{self, DepsTargets};
use crate::embedded::Embedded;
use crate::frappe::common_config::Overrides;
use crate::health_port::server;
use crate::leader::context::{Context, Purpose};
use crate::outcome::{self, Fault, Flow, Result};
use crate::overlay::View;
use crate::record::exclusive_lock::SiteHold;
use crate::record::timing::EXCLUSIVE_LOCK_INTERVAL;
use crate::status::account::{Board, Phase};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// From TERM to KILL for what escaped its service's own group.
const SWEEP: Duration = Duration::from_secs(10);
/// Between two looks for an app that cannot be imported.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const MISSING: &str = "waits for the code of every installed app";

/// A site's surroundings, up until [`Site::stop`].
pub struct Site {
    pub config: Config,
    pub database: DatabaseConfig,
    pub bench: Bench,
    pub name: String,
    /// An app that is to leave the site (`apps remove`).
    pub remove: Option<String>,
    pub processes: Processes,
    pub purpose: Purpose,
    runtime_dir: RuntimeDir,
    embedded: Option<Embedded>,
}

impl Site {
    /// Takes the ports and starts the embedded servers, where they are wanted.
    pub async fn start(mut config: Config, board: &Board, shutdown: &Shutdown) -> Flow<Self> {
        if let Some(listen) = config.health_addr {
            let address = server::start(listen, board.clone())?;
            tracing::debug!(%address, "answers probes");
        }
        let processes = Processes::start().map_err(|error| {
            Fault::new(outcome::BUG, format!("no SIGCHLD handler: {error}"), "report this")
        })?;
        let bench = Bench::new(&config.bench);
        let runtime_dir = RuntimeDir::open(config.runtime_dir.clone())?;
        board.update(|account| account.runtime_dir = Some(runtime_dir.path.clone()));
        let embedded = if config.embedded {
            Some(Embedded::start(&mut config, &bench, &processes, shutdown, board).await?)
        } else {
            None
        };
        // Both were asked for when the configuration was read.
        let (Some(name), Some(database)) = (config.site.clone(), config.database.clone()) else {
            return Err(
                Fault::configuration("no site or no database is named", "set SITE_NAME and DB_HOST").into()
            );
        };
        let purpose = Purpose::default();
        Ok(Self { config, database, bench, name, remove: None, processes, purpose, runtime_dir, embedded })
    }

    /// Where this pod's short-lived files are.
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime_dir.path
    }

    /// What this pod has by itself, so that its assets are served while the site is brought up. The
    /// bootstrap opens it again, with all that the site has.
    pub fn open_first_view(&self) {
        let opened = joined_by(&self.config, &self.bench)
            .and_then(|code| View::open(self.runtime_dir(), &self.bench, code.unwrap_or_default(), &[]));
        if let Err(fault) = opened {
            tracing::debug!(reason = fault.cause, "no assets before the bootstrap");
        }
    }

    /// What takes it away, now and then.
    pub fn hold(&self) -> SiteHold {
        SiteHold::of(&self.bench, &self.name)
    }

    /// A site that somebody else has is left alone until it is let go of.
    async fn free(&self, board: &Board, shutdown: &Shutdown) -> Flow<()> {
        let (hold, mut told) = (self.hold(), None);
        while let Some(holder) = hold.look() {
            // Its beat is progress.
            board.enter(Phase::OnHold, holder.text());
            if told.as_ref() != Some(&holder) {
                tracing::info!(holder = holder.text(), "waits until it lets go");
                told = Some(holder);
            }
            let pause = async {
                tokio::time::sleep(EXCLUSIVE_LOCK_INTERVAL).await;
                Ok(())
            };
            shutdown.guard(pause).await?;
        }
        Ok(())
    }

    /// Waits for the dependencies, then brings the site up.
    pub async fn bring_up(&self, board: &Board, shutdown: &Shutdown) -> Flow<Bootstrapped> {
        self.free(board, shutdown).await?;
        board.enter(Phase::WaitingForDependencies, "");
        let started = std::time::Instant::now();
        let targets = DepsTargets::before_bootstrap(&self.config)?;
        let told = |missing| board.update(|account| account.detail = missing);
        deps::wait_all(&targets, self.config.wait_timeout, shutdown, told).await?;
        board.update(|account| account.dependencies_wait = Some(started.elapsed()));
        board.enter(Phase::Bootstrapping, "looking");
        self.bootstrap_with(&self.config, board, shutdown).await
    }

    /// The same, until every app of the site can be imported here. Without one requests answer 500 and
    /// its jobs fail (FRAPPE.md, Apps): nothing runs, and the probes say which one it is.
    pub async fn bring_up_to_serve(&self, board: &Board, shutdown: &Shutdown) -> Flow<Bootstrapped> {
        let mut bootstrapped = self.bring_up(board, shutdown).await?;
        while !bootstrapped.missing.is_empty() {
            board.tell_missing_apps(&bootstrapped.missing);
            board.update(|account| account.detail = MISSING.to_string());
            let pause = async {
                tokio::time::sleep(LOOK_AGAIN).await;
                Ok(())
            };
            shutdown.guard(pause).await?;
            board.progress();
            bootstrapped = self.bootstrap_with(&self.config, board, shutdown).await?;
        }
        board.tell_missing_apps(&[]);
        Ok(bootstrapped)
    }

    /// The bootstrap alone, with a configuration that may be newer than the site's own.
    pub async fn bootstrap_with(
        &self,
        config: &Config,
        board: &Board,
        shutdown: &Shutdown,
    ) -> Flow<Bootstrapped> {
        let database = config.database.as_ref().unwrap_or(&self.database);
        let context = Context {
            config,
            database,
            direct: &database.directly(),
            bench: &self.bench,
            site: &self.name,
            overrides: Overrides::new(),
            view: None,
            remove: self.remove.as_deref(),
            runtime_dir: &self.runtime_dir.path,
            processes: &self.processes,
            shutdown,
            board,
            purpose: self.purpose,
        };
        bootstrap(&context).await
    }

    /// The servers last, then whatever is left of anything.
    pub async fn stop(self, shutdown: &Shutdown) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
        if !self.processes.sweep(SWEEP, shutdown.hurried()).await {
            tracing::warn!("processes are left behind");
        }
    }
}

/// Short-lived files of this pod.
pub(super) struct RuntimeDir {
    pub path: PathBuf,
    /// Removed with this value; none where an operator named the folder.
    _temporary: Option<tempfile::TempDir>,
}

impl RuntimeDir {
    /// CAULDRON_RUNTIME_DIR, else /run/cauldron where it can be written, else a temporary folder.
    pub fn open(given: Option<PathBuf>) -> Result<Self> {
        let usable =
            |path: &PathBuf| std::fs::create_dir_all(path).and_then(|()| tempfile::tempfile_in(path));
        if let Some(path) = given {
            usable(&path).map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))?;
            return Ok(Self { path, _temporary: None });
        }
        let default = PathBuf::from("/run/cauldron");
        if usable(&default).is_ok() {
            return Ok(Self { path: default, _temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("cauldron-").tempdir().map_err(|error| {
            let fault = Fault::file("no folder for short-lived files", &error);
            Fault {
                mend: "mount an emptyDir on /run/cauldron, or name a folder in CAULDRON_RUNTIME_DIR".into(),
                ..fault
            }
        })?;
        Ok(Self { path: temporary.path().to_path_buf(), _temporary: Some(temporary) })
    }
}
