//! A Redis, and a PostgreSQL where one is wanted, on unix sockets in a folder that is deleted afterwards: no port, no route
//! to them but the folder, which only their user and we can enter.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::data::DataFolder;
use super::postgres::PRIVATE_PORT;
use super::{leftover, postgres, redis, start_service};
use crate::config::database::{DatabaseConfig, Login};
use crate::outcome::{Fault, Flow};
use crate::pod::Pod;
use crate::supervise::output::OutputLine;
use crate::supervise::run_service::{End, ServiceStatus};
use crate::supervise::signals::Trigger;
use crate::supervise::spawn::{Output, Spec};

/// The servers, running.
pub struct PrivateServers {
    /// PostgreSQL, and the superuser's login; None if only Redis runs.
    pub postgres: Option<(DatabaseConfig, Login)>,
    redis: redis::Redis,
    redis_socket: PathBuf,
    stop: Trigger,
    services: Vec<(JoinHandle<End>, watch::Receiver<ServiceStatus>)>,
    /// Keeps the folder locked while the servers run.
    _data: Arc<DataFolder>,
}

impl PrivateServers {
    /// Starts them in `folder`. They stop with this process, however it ends.
    ///
    /// # Errors
    /// 78 if a program is missing; 77 and 75 as for any file; a requested stop.
    pub async fn start(pod: &Pod, folder: &Path, has_postgres: bool) -> Flow<Self> {
        let data = Arc::new(DataFolder::open(folder)?);
        pod.shutdown.guard(async { Ok(leftover::stop_all(&data).await?) }).await?;
        let sockets = data.folder("s")?;
        let postgres = match has_postgres {
            true => Some(postgres::prepare(&data, &pod.processes, &pod.shutdown).await?),
            false => None,
        };
        let redis = redis::prepare(&data)?;
        let redis_socket = sockets.join("redis");
        let (stop, shutdown) = pod.shutdown.deferred();
        let of_postgres = postgres.as_ref().map(|postgres| postgres.private_spec(&data, &sockets));
        let services = of_postgres
            .into_iter()
            .chain([redis.private_spec(&data, &redis_socket)])
            .map(|(spec, stop_with)| {
                // Standard output is for the report of the command.
                let spec = Spec { output: Output::Lines(Arc::new(log_output)), ..spec };
                let (processes, status) = (pod.processes.clone(), pod.status.clone());
                start_service(spec, stop_with, processes, shutdown.clone(), status)
            })
            .collect();
        let host = sockets.to_str().map(str::to_string).ok_or_else(|| {
            Fault::configuration(format!("{} is no text", sockets.display()), "set CAULDRON_SCRATCH_DIR")
        })?;
        let postgres =
            postgres.map(|postgres| (DatabaseConfig::on_socket(host, PRIVATE_PORT), postgres.login()));
        Ok(Self { postgres, redis, redis_socket, stop, services, _data: data })
    }

    /// The URL of a database of Redis, with its password.
    pub fn redis_url(&self, database: u8) -> String {
        self.redis.private_url(&self.redis_socket, database)
    }

    /// The server that has ended meanwhile, and how.
    pub fn ended(&self) -> Option<String> {
        self.services.iter().find_map(|(_, seen)| {
            let seen = seen.borrow();
            seen.last_exit.map(|exit| format!("{} {exit}", seen.name))
        })
    }

    /// Stops them, and waits until they have ended.
    pub async fn stop(self) {
        self.stop.request_stop();
        for (service, _) in self.services {
            let _ = service.await;
        }
    }
}

fn log_output(line: OutputLine<'_>) {
    tracing::debug!(event = "scratch.server_output", "{}", String::from_utf8_lossy(line.text));
}

/// Stops the servers that a killed process left running in the folder.
///
/// # Errors
/// 75 if one does not stop, or if a living process uses the folder.
pub async fn stop_leftovers(folder: &Path) -> crate::outcome::Result<()> {
    leftover::stop_all(&DataFolder::open(folder)?).await
}
