//! The worker pause: a key in the queue Redis that keeps worker supervisors from running anything while the site is
//! migrated. It is a lease that expires after the leader's end.
//!
//! Workers that began before the bench got another id look at the key of their own id, so each id has the key.
//!
//! The key gives quick notice; the record in the database is authoritative. A supervisor reads the record before it
//! believes that the key is gone (`watch`), because Redis may lose all keys at any moment.

use redis::Pipeline;

use crate::bench::Bench;
use crate::config::Config;
use crate::frappe::queues::{self, BenchQueues};
use crate::frappe::sites::is_site;
use crate::record::timing::{WORKER_PAUSE_LEASE, WORKER_PAUSE_RENEWAL};
use crate::redis_client::{Link, Server};

/// The queue Redis, for the leader of a migration.
#[derive(Clone)]
pub struct Queues {
    pub link: Link,
    names: BenchQueues,
    former: Vec<BenchQueues>,
    bench: Bench,
    /// The site that owns the pause.
    site: String,
}

impl Queues {
    /// Returns None if no queue Redis is configured: then there are no workers either.
    pub fn of(config: &Config, site: &str) -> Option<Self> {
        let redis = &config.redis;
        let server = Server::new(redis.queue.as_ref()?, redis.tls_ca.as_ref(), "REDIS_QUEUE").ok()?;
        Some(Self {
            link: Link::new(server),
            names: BenchQueues::of(config),
            former: BenchQueues::former_of(config),
            bench: Bench::new(&config.bench),
            site: site.to_string(),
        })
    }

    /// Releases the pause of this site, also one that an earlier leader left. A key that stays will expire.
    pub async fn release_pause(&self) {
        for key in self.gates() {
            let asked = self.link.query::<Vec<Option<String>>>(Pipeline::new().cmd("GET").arg(&key)).await;
            let ours = asked.is_ok_and(|held| held.first().is_some_and(|by| by.as_ref() == Some(&self.site)));
            if ours
                && let Err(error) = self.link.query::<Vec<i64>>(Pipeline::new().cmd("DEL").arg(&key)).await
            {
                tracing::debug!(
                    event = "worker.pause_not_released",
                    error,
                    "cannot release the worker pause; its key will expire"
                );
            }
        }
    }

    /// True if a worker with these queues, as in its record, runs this job for the bench. The queues of a former id
    /// may be another installation's now, so there the job has to be of a site of the bench.
    pub fn runs_for_us(&self, queues: &str, job: &str) -> bool {
        let has_site = || queues::site_of(job).is_some_and(|site| is_site(&self.bench.site(site)));
        self.names.is_any_of(queues)
            || self.former.iter().any(|former| former.is_any_of(queues)) && has_site()
    }

    fn gates(&self) -> Vec<String> {
        std::iter::once(&self.names).chain(&self.former).map(BenchQueues::gate).collect()
    }
}

/// Renews the lease until dropped.
pub struct WorkerPause(tokio::task::JoinHandle<()>);

impl WorkerPause {
    pub async fn start(queues: &Queues) -> Self {
        // Set before returning, if Redis answers: the next stage relies on it.
        renew(queues).await;
        let queues = queues.clone();
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(WORKER_PAUSE_RENEWAL).await;
                renew(&queues).await;
            }
        }))
    }
}

impl Drop for WorkerPause {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn renew(queues: &Queues) {
    let mut set = Pipeline::new();
    for key in queues.gates() {
        set.cmd("SET").arg(key).arg(&queues.site).arg("EX").arg(WORKER_PAUSE_LEASE.as_secs()).ignore();
    }
    if let Err(error) = queues.link.query::<()>(&set).await {
        tracing::debug!(event = "worker.pause_not_renewed", error, "cannot renew the worker pause");
    }
}
