//! What keeps worker supervisors from running anything while the site is migrated: a key in the queue
//! Redis, under a lease that ends with the leader.
//!
//! The key is the quick word; the truth is the record in the database, which a supervisor asks before it
//! believes that the key is gone (`watch`): Redis may lose everything at any moment.

use redis::Pipeline;

use crate::config::Config;
use crate::frappe::queues::BenchQueues;
use crate::record::timing::{WORKER_PAUSE_LEASE, WORKER_PAUSE_RENEWAL};
use crate::redis_client::{Link, Server};

/// The queue Redis as the leader of a migration needs it.
#[derive(Clone)]
pub struct Queues {
    pub link: Link,
    pub names: BenchQueues,
    /// Whose hold it is.
    site: String,
}

impl Queues {
    /// None where there is no queue Redis: then there are no workers either.
    pub fn of(config: &Config, site: &str) -> Option<Self> {
        let redis = &config.redis;
        let server = Server::new(redis.queue.as_ref()?, redis.tls_ca.as_ref(), "REDIS_QUEUE").ok()?;
        Some(Self { link: Link::new(server), names: BenchQueues::of(config), site: site.to_string() })
    }

    /// Lets go of what this site's leader, or one before it, holds. A key that stays ends by itself.
    pub async fn open(&self) {
        let key = self.names.gate();
        let asked = self.link.ask::<Vec<Option<String>>>(Pipeline::new().cmd("GET").arg(&key)).await;
        let ours = asked.is_ok_and(|held| held.first().is_some_and(|by| by.as_ref() == Some(&self.site)));
        if ours && let Err(error) = self.link.ask::<Vec<i64>>(Pipeline::new().cmd("DEL").arg(&key)).await {
            tracing::debug!(error, "the hold of the workers ends by itself");
        }
    }
}

/// Renews the lease until it is dropped.
pub struct Hold(tokio::task::JoinHandle<()>);

impl Hold {
    pub async fn close(queues: &Queues) -> Self {
        // At once where Redis answers: what follows counts on it.
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

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn renew(queues: &Queues) {
    let mut set = Pipeline::new();
    set.cmd("SET")
        .arg(queues.names.gate())
        .arg(&queues.site)
        .arg("EX")
        .arg(WORKER_PAUSE_LEASE.as_secs())
        .ignore();
    if let Err(error) = queues.link.ask::<()>(&set).await {
        tracing::debug!(error, "the hold of the workers was not renewed");
    }
}
