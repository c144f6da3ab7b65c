//! `--embedded`: a private PostgreSQL and Redis for laptops and demos, found on PATH, supervised like
//! every other child, in a data folder of their own.
//!
//! They start before everything else and stop after it. One supervisor at a time has the folder; what
//! a killed one left running is stopped first.

mod data;
mod leftover;
mod postgres;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use self::data::DataFolder;
use crate::outcome::{Flow, Result};
use crate::pod::Pod;
use crate::status::handle::StatusHandle;
use crate::supervise::process::Processes;
use crate::supervise::run_service::{End, ServicePlan, run_service};
use crate::supervise::service::Policy;
use crate::supervise::signals::{Shutdown, Trigger};
use crate::supervise::spawn::Spec;

/// From the request to stop to KILL; PostgreSQL writes a checkpoint in between.
const GRACE: Duration = Duration::from_secs(60);

/// The two servers, running.
pub struct Embedded {
    stop: Trigger,
    services: Vec<JoinHandle<End>>,
    /// Held for as long as the servers run.
    _data: Arc<DataFolder>,
}

impl Embedded {
    /// Starts both and puts them into the configuration, as if an operator had named them.
    ///
    /// # Errors
    /// 78 where a program is missing or another supervisor has the folder; 77 and 75 as for any file.
    pub async fn start(pod: &mut Pod) -> Flow<Self> {
        let folder = pod.config.data_dir.clone().unwrap_or_else(|| pod.bench.cauldron().join("embedded"));
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
                start_service(spec, stop_with, processes, servers_shutdown.clone(), status)
            })
            .collect();
        tracing::info!(folder = %folder.display(), "started a private PostgreSQL and Redis");
        Ok(Self { stop, services, _data: data })
    }

    /// Stops both, cleanly, and waits for it.
    pub async fn stop(self) {
        self.stop.ask();
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
) -> JoinHandle<End> {
    let plan =
        ServicePlan { stop_with: Some(stop_with), ..ServicePlan::new(spec, Policy::restarting(GRACE)) };
    tokio::spawn(status.follow_child(plan.observer.subscribe()));
    tokio::spawn(async move { run_service(&processes, plan, &shutdown).await })
}

/// A program on PATH or in one of the folders where Debian keeps it.
fn find(program: &str, folders: &[std::path::PathBuf], package: &str) -> Result<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<_> = std::env::split_paths(&path).collect();
    folders
        .iter()
        .chain(&on_path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            crate::outcome::Fault::configuration(
                format!("--embedded needs `{program}`, and it is not on PATH"),
                format!("install it (Debian: apt-get install {package}), or configure servers of your own"),
            )
        })
}
