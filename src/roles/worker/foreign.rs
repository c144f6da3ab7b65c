//! Jobs of sites that this bench lacks or that do not fit this code. Our workers park them, or leave them in the queue
//! (frappe/worker_jobs.py); they are counted, and the log names their site and installation.

use std::collections::{BTreeMap, BTreeSet};

use redis::Pipeline;

use super::verdict::Record;
use crate::bench::Bench;
use crate::frappe::queues::BenchQueues;
use crate::frappe::sites::is_site;
use crate::redis_client::Link;
use crate::roles::RoleContext;
use crate::status::handle::StatusHandle;
use crate::status::other_sites::hint;

pub struct ForeignJobs {
    link: Link,
    queues: BenchQueues,
    status: StatusHandle,
    bench: Bench,
    /// The last count in each worker's record.
    last_counts: BTreeMap<String, u64>,
    /// Sites that have been logged.
    logged: BTreeSet<String>,
}

impl ForeignJobs {
    pub fn new(context: &RoleContext<'_>) -> Self {
        Self {
            link: context.queue_redis(),
            queues: context.queues(),
            status: context.pod.status.clone(),
            bench: context.pod.bench.clone(),
            last_counts: BTreeMap::new(),
            logged: BTreeSet::new(),
        }
    }

    /// Counts and logs new foreign jobs in our workers' records.
    pub async fn record(&mut self, records: &BTreeMap<String, Record>) {
        self.last_counts.retain(|key, _| records.contains_key(key));
        for (key, record) in records {
            let before = self.last_counts.insert(key.clone(), record.foreign_jobs).unwrap_or_default();
            let new = record.foreign_jobs.saturating_sub(before);
            self.status.update(|status| status.foreign_jobs += new);
            if let Some(site) = record.foreign_site.as_ref().filter(|site| !self.logged.contains(*site)) {
                self.logged.insert(site.clone());
                if is_site(&self.bench.site(site)) {
                    tracing::warn!(
                        event = "queue.unfit_site_jobs_found",
                        site,
                        hint = hint(site),
                        "a queue has jobs of a site that does not fit this code; they wait until it fits"
                    );
                    continue;
                }
                let installation = self.installation_of(site).await;
                tracing::warn!(
                    event = "queue.foreign_jobs_found",
                    site,
                    installation,
                    hint = "give each installation its own CAULDRON_BENCH_ID or queue Redis (REDIS_QUEUE)",
                    "a queue has jobs of a site that is not in this bench's sites/; they wait. Another \
                     installation with the same bench_id uses this queue Redis, or the site was dropped"
                );
            }
        }
    }

    /// Returns the installation that claims the site's jobs, or "unknown".
    async fn installation_of(&self, site: &str) -> String {
        let mut query = Pipeline::new();
        query.cmd("GET").arg(self.queues.claim(site));
        let answer = self.link.query::<(Option<String>,)>(&query).await;
        answer.ok().and_then(|(claim,)| claim).unwrap_or_else(|| "unknown".into())
    }
}
