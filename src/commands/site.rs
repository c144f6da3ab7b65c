//! The first steps of every command that works on a site: processes, health port, embedded servers,
//! dependencies, bootstrap.

use std::time::Duration;

use crate::apps::published_apps;
use crate::bring_up::{Bootstrapped, bootstrap};
use crate::config::Config;
use crate::config::database::DatabaseConfig;
use crate::deps::{self, DepsReady, DepsTargets};
use crate::embedded::Embedded;
use crate::health_port::{recent_lines, server};
use crate::leader::context::{Context, Purpose};
use crate::outcome::{Fault, Flow};
use crate::overlay::BenchOverlay;
use crate::pod::Pod;
use crate::record::exclusive_lock::ExclusiveLock;
use crate::record::timing::EXCLUSIVE_LOCK_INTERVAL;
use crate::status::handle::{Phase, StatusHandle};
use crate::status::operation::Operation;
use crate::supervise::signals::Shutdown;

/// From TERM to KILL for processes that left the group of their service.
const SWEEP_GRACE: Duration = Duration::from_secs(10);
/// The pause before installed apps that cannot be imported are looked for again.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// A site, and the processes and servers to work on it. They run until [`Site::stop`].
pub struct Site {
    pub pod: Pod,
    pub database: DatabaseConfig,
    pub name: String,
    /// The app to uninstall (`apps remove`).
    pub remove: Option<String>,
    pub purpose: Purpose,
    embedded: Option<Embedded>,
}

impl Site {
    /// Opens the health port and starts the embedded servers, if they are configured.
    pub async fn start(config: Config, status: &StatusHandle, shutdown: &Shutdown) -> Flow<Self> {
        if let Some(listen) = config.health_addr {
            let address = server::start(listen, status.clone())?;
            tracing::debug!(event = "health.listening", %address, "health port is open");
        }
        let mut pod = Pod::start(config, status, shutdown)?;
        if pod.config.health_addr.is_some() {
            recent_lines::serve(&pod.runtime_dir);
        }
        let embedded = if pod.config.embedded { Some(Embedded::start(&mut pod).await?) } else { None };
        // Both were required when the configuration was read.
        let (Some(name), Some(database)) = (pod.config.site.clone(), pod.config.database.clone()) else {
            return Err(Fault::configuration(
                "the site or the database is not configured",
                "set SITE_NAME and DB_HOST",
            )
            .into());
        };
        Ok(Self { pod, database, name, remove: None, purpose: Purpose::default(), embedded })
    }

    /// Opens an overlay with the code that this pod already has, so that its assets are served while the site
    /// is brought up. The bootstrap opens it again with every app of the site.
    pub fn open_early_overlay(&self) {
        let Pod { bench, runtime_dir, .. } = &self.pod;
        let opened = published_apps(&self.pod)
            .and_then(|code| BenchOverlay::open(runtime_dir, bench, code.unwrap_or_default(), &[]));
        if let Err(fault) = opened {
            tracing::debug!(
                event = "overlay.early_open_failed",
                reason = fault.cause,
                "assets are not served before the bootstrap"
            );
        }
    }

    /// The lock that a command such as `exec -- bench restore` takes while it needs the site for itself.
    pub fn exclusive_lock(&self) -> ExclusiveLock {
        ExclusiveLock::of(&self.pod.bench, &self.name)
    }

    /// Waits while another command holds the site's exclusive lock.
    async fn wait_until_free(&self) -> Flow<()> {
        let Pod { status, shutdown, .. } = &self.pod;
        let (lock, mut logged) = (self.exclusive_lock(), None);
        while let Some(holder) = lock.holder() {
            // Reading a fresh heartbeat of the lock counts as progress.
            status.enter(Phase::Suspended, Some(Operation::WaitingForSite(holder.clone())));
            if logged.as_ref() != Some(&holder) {
                tracing::info!(
                    event = "site.waiting_for_exclusive_lock",
                    holder = holder.text(),
                    "waiting until the site's exclusive lock is free"
                );
                logged = Some(holder);
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
    pub async fn bring_up(&self) -> Flow<Bootstrapped> {
        self.wait_until_free().await?;
        let ready = self.wait_for_dependencies().await?;
        self.pod.status.enter(Phase::Bootstrapping, Some(Operation::Inspecting));
        self.bootstrap_with(&self.pod, ready).await
    }

    /// Waits until PostgreSQL and Redis work.
    pub async fn wait_for_dependencies(&self) -> Flow<DepsReady> {
        let Pod { config, status, shutdown, .. } = &self.pod;
        status.enter(Phase::WaitingForDependencies, None);
        let started = std::time::Instant::now();
        let targets = DepsTargets::before_bootstrap(config)?;
        let publish = |missing| status.begin(Operation::WaitingForDependencies(missing));
        let ready = deps::wait_all(&targets, config.wait_timeout, shutdown, publish).await?;
        status.update(|status| status.dependencies_wait = Some(started.elapsed()));
        Ok(ready)
    }

    /// Brings the site up and waits until every installed app can be imported here. Without one, requests
    /// answer 500 and its jobs fail (docs/frappe-contract.md#disagreeing-app-lists), so no role runs and the
    /// probes name the missing app.
    pub async fn bring_up_to_serve(&self) -> Flow<Bootstrapped> {
        let Pod { status, shutdown, .. } = &self.pod;
        let mut bootstrapped = self.bring_up().await?;
        while !bootstrapped.missing.is_empty() {
            status.publish_missing_apps(&bootstrapped.missing);
            status.begin(Operation::WaitingForAppCode);
            let pause = async {
                tokio::time::sleep(RETRY_INTERVAL).await;
                Ok(())
            };
            shutdown.guard(pause).await?;
            status.progress();
            bootstrapped = self.bootstrap_with(&self.pod, bootstrapped.ready).await?;
        }
        status.publish_missing_apps(&[]);
        Ok(bootstrapped)
    }

    /// Runs only the bootstrap, for a pod whose configuration may be newer than this one.
    pub async fn bootstrap_with(&self, pod: &Pod, ready: DepsReady) -> Flow<Bootstrapped> {
        let database = pod.config.database.as_ref().unwrap_or(&self.database);
        let context = Context {
            pod,
            ready,
            database,
            direct: &database.directly(),
            site: &self.name,
            remove: self.remove.as_deref(),
            purpose: self.purpose,
        };
        bootstrap(&context).await
    }

    /// Stops the embedded servers, then every process that is left.
    pub async fn stop(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
        if !self.pod.processes.sweep(SWEEP_GRACE, self.pod.shutdown.forced()).await {
            tracing::warn!(event = "process.left_behind", "some processes did not end");
        }
    }
}
