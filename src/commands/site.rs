//! What every command that works on a site does first: processes, health port, servers, dependencies,
//! bootstrap.

use std::time::Duration;

use crate::apps::joined;
use crate::bring_up::{Bootstrapped, bootstrap};
use crate::config::Config;
use crate::config::database::DatabaseConfig;
use crate::deps::{self, DepsReady, DepsTargets};
use crate::embedded::Embedded;
use crate::health_port::server;
use crate::leader::context::{Context, Purpose};
use crate::outcome::{Fault, Flow};
use crate::overlay::BenchOverlay;
use crate::pod::Pod;
use crate::record::exclusive_lock::SiteHold;
use crate::record::timing::EXCLUSIVE_LOCK_INTERVAL;
use crate::status::handle::{Phase, StatusHandle};
use crate::status::operation::Operation;
use crate::supervise::signals::Shutdown;

/// From TERM to KILL for what escaped its service's own group.
const SWEEP: Duration = Duration::from_secs(10);
/// Between two looks for an app that cannot be imported.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A site and what it is worked on with, up until [`Site::stop`].
pub struct Site {
    pub pod: Pod,
    pub database: DatabaseConfig,
    pub name: String,
    /// An app that is to leave the site (`apps remove`).
    pub remove: Option<String>,
    pub purpose: Purpose,
    embedded: Option<Embedded>,
}

impl Site {
    /// Takes the ports and starts the embedded servers, where they are wanted.
    pub async fn start(config: Config, status: &StatusHandle, shutdown: &Shutdown) -> Flow<Self> {
        if let Some(listen) = config.health_addr {
            let address = server::start(listen, status.clone())?;
            tracing::debug!(%address, "answers probes");
        }
        let mut pod = Pod::start(config, status, shutdown)?;
        let embedded = if pod.config.embedded { Some(Embedded::start(&mut pod).await?) } else { None };
        // Both were asked for when the configuration was read.
        let (Some(name), Some(database)) = (pod.config.site.clone(), pod.config.database.clone()) else {
            return Err(
                Fault::configuration("no site or no database is named", "set SITE_NAME and DB_HOST").into()
            );
        };
        Ok(Self { pod, database, name, remove: None, purpose: Purpose::default(), embedded })
    }

    /// What this pod has by itself, so that its assets are served while the site is brought up. The
    /// bootstrap opens it again, with all that the site has.
    pub fn open_first_view(&self) {
        let Pod { bench, runtime_dir, .. } = &self.pod;
        let opened = joined(&self.pod)
            .and_then(|code| BenchOverlay::open(runtime_dir, bench, code.unwrap_or_default(), &[]));
        if let Err(fault) = opened {
            tracing::debug!(reason = fault.cause, "no assets before the bootstrap");
        }
    }

    /// What takes it away, now and then.
    pub fn hold(&self) -> SiteHold {
        SiteHold::of(&self.pod.bench, &self.name)
    }

    /// A site that somebody else has is left alone until it is let go of.
    async fn free(&self) -> Flow<()> {
        let Pod { status, shutdown, .. } = &self.pod;
        let (hold, mut told) = (self.hold(), None);
        while let Some(holder) = hold.look() {
            // Its beat is progress.
            status.enter(Phase::OnHold, Some(Operation::WaitingForSite(holder.clone())));
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
    pub async fn bring_up(&self) -> Flow<Bootstrapped> {
        let Pod { config, status, shutdown, .. } = &self.pod;
        self.free().await?;
        status.enter(Phase::WaitingForDependencies, None);
        let started = std::time::Instant::now();
        let targets = DepsTargets::before_bootstrap(config)?;
        let told = |missing| status.begin(Operation::WaitingForDependencies(missing));
        let ready = deps::wait_all(&targets, config.wait_timeout, shutdown, told).await?;
        status.update(|status| status.dependencies_wait = Some(started.elapsed()));
        status.enter(Phase::Bootstrapping, Some(Operation::Inspecting));
        self.bootstrap_with(&self.pod, ready).await
    }

    /// The same, until every app of the site can be imported here. Without one requests answer 500 and its
    /// jobs fail (docs/frappe-contract.md#disagreeing-app-lists): nothing runs, and the probes say which one
    /// it is.
    pub async fn bring_up_to_serve(&self) -> Flow<Bootstrapped> {
        let Pod { status, shutdown, .. } = &self.pod;
        let mut bootstrapped = self.bring_up().await?;
        while !bootstrapped.missing.is_empty() {
            status.tell_missing_apps(&bootstrapped.missing);
            status.begin(Operation::WaitingForAppCode);
            let pause = async {
                tokio::time::sleep(LOOK_AGAIN).await;
                Ok(())
            };
            shutdown.guard(pause).await?;
            status.progress();
            bootstrapped = self.bootstrap_with(&self.pod, bootstrapped.ready).await?;
        }
        status.tell_missing_apps(&[]);
        Ok(bootstrapped)
    }

    /// The bootstrap alone, for a pod whose configuration may be newer than the site's own.
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

    /// The servers last, then whatever is left of anything.
    pub async fn stop(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
        if !self.pod.processes.sweep(SWEEP, self.pod.shutdown.forced()).await {
            tracing::warn!("processes are left behind");
        }
    }
}
