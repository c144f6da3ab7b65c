//! `--embedded`: a private PostgreSQL and Redis for laptops and demos, found on PATH, supervised like every other
//! child, with their data in a separate folder.
//!
//! They start before everything else and stop after it. One supervisor at a time uses the folder. Servers that a
//! killed supervisor left running are stopped first.

mod data;
mod initdb;
mod leftover;
mod postgres;
pub mod private;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::data::DataFolder;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Flow, Result};
use crate::pod::Pod;
use crate::status::handle::StatusHandle;
use crate::supervise::process::Processes;
use crate::supervise::run_service::{End, ServicePlan, ServiceStatus, run_service};
use crate::supervise::service::Policy;
use crate::supervise::signals::{Shutdown, Trigger};
use crate::supervise::spawn::Spec;

/// From the stop request to KILL; PostgreSQL writes a checkpoint in between.
const STOP_GRACE: Duration = Duration::from_secs(60);

/// The two servers, running.
pub struct Embedded {
    stop: Trigger,
    services: Vec<JoinHandle<End>>,
    /// Keeps the folder locked while the servers run.
    _data: Arc<DataFolder>,
}

impl Embedded {
    /// Starts both and enters them into the configuration, as if an operator had configured them.
    ///
    /// # Errors
    /// 78 if a program is missing or another supervisor uses the folder; 77 and 75 as for any file.
    pub async fn start(pod: &mut Pod) -> Flow<Self> {
        let folder = pod.embedded_folder();
        let data = Arc::new(DataFolder::open(&folder)?);
        pod.shutdown.guard(async { Ok(leftover::stop_all(&data).await?) }).await?;
        let postgres = postgres::prepare(&data, &pod.processes, &pod.shutdown).await?;
        let redis = redis::prepare(&data)?;
        let config = Arc::make_mut(&mut pod.config);
        postgres.configure(config);
        redis.configure(config)?;
        let (stop, servers_shutdown) = pod.shutdown.deferred();
        let services = [postgres.spec(&data), redis.spec(&data)]
            .into_iter()
            .map(|(spec, stop_with)| {
                let (processes, status) = (pod.processes.clone(), pod.status.clone());
                start_service(spec, stop_with, processes, servers_shutdown.clone(), status).0
            })
            .collect();
        tracing::info!(
            event = "embedded.started",
            folder = %folder.display(),
            "started the embedded PostgreSQL and Redis"
        );
        Ok(Self { stop, services, _data: data })
    }

    /// Stops both cleanly, and waits until they have ended.
    pub async fn stop(self) {
        self.stop.request_stop();
        for service in self.services {
            let _ = service.await;
        }
    }
}

fn start_service(
    spec: Spec,
    stop_with: nix::sys::signal::Signal,
    processes: Processes,
    shutdown: Shutdown,
    status: StatusHandle,
) -> (JoinHandle<End>, watch::Receiver<ServiceStatus>) {
    let plan =
        ServicePlan { stop_with: Some(stop_with), ..ServicePlan::new(spec, Policy::restarting(STOP_GRACE)) };
    let seen = plan.observer.subscribe();
    tokio::spawn(status.follow_child(seen.clone()));
    (tokio::spawn(async move { run_service(&processes, plan, &shutdown).await }), seen)
}

/// Finds a program in the folders where Debian installs it, or on PATH.
fn find_program(program: &str, folders: &[std::path::PathBuf], package: &str) -> Result<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<_> = std::env::split_paths(&path).collect();
    folders
        .iter()
        .chain(&on_path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            crate::outcome::Fault::configuration(
                format!("--embedded needs `{program}`, which is not on PATH"),
                format!("install it (Debian: apt-get install {package}), or configure external servers"),
            )
            .named(Refusal::EmbeddedProgramMissing)
        })
}
