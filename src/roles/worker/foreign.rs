//! Jobs of sites that this bench has not, or that do not fit this code. Our workers leave them where they are
//! (frappe/worker_jobs.py); they are counted, and the log says whose they are.

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

pub struct Foreign {
    link: Link,
    queues: BenchQueues,
    status: StatusHandle,
    bench: Bench,
    /// What each worker's record said last.
    counted: BTreeMap<String, u64>,
    /// Sites that stand in the log.
    told: BTreeSet<String>,
}

impl Foreign {
    pub fn new(around: &RoleContext<'_>) -> Self {
        Self {
            link: around.queue_redis(),
            queues: around.queues(),
            status: around.pod.status.clone(),
            bench: around.pod.bench.clone(),
            counted: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// Takes in what our workers' records say now.
    pub async fn note(&mut self, records: &BTreeMap<String, Record>) {
        self.counted.retain(|key, _| records.contains_key(key));
        for (key, record) in records {
            let before = self.counted.insert(key.clone(), record.foreign_jobs).unwrap_or_default();
            let new = record.foreign_jobs.saturating_sub(before);
            self.status.update(|status| status.foreign_jobs += new);
            if let Some(site) = record.foreign_site.as_ref().filter(|site| !self.told.contains(*site)) {
                self.told.insert(site.clone());
                if is_site(&self.bench.site(site)) {
                    tracing::warn!(
                        site,
                        hint = hint(site),
                        "a queue holds jobs of a site that does not fit this code; they wait there until it does"
                    );
                    continue;
                }
                let installation = self.installation_of(site).await;
                tracing::warn!(
                    site,
                    installation,
                    "a queue holds jobs of a site that this bench's sites/ has not; they are left there. Another \
                     installation with the same bench_id uses this queue Redis, or the site was dropped: give each \
                     installation a queue Redis of its own (REDIS_QUEUE) or its own `bench_id` in \
                     common_site_config.json"
                );
            }
        }
    }

    /// Who claims that site's jobs, where it is one that tells.
    async fn installation_of(&self, site: &str) -> String {
        let mut question = Pipeline::new();
        question.cmd("GET").arg(self.queues.claim(site));
        let answer = self.link.ask::<(Option<String>,)>(&question).await;
        answer.ok().and_then(|(claim,)| claim).unwrap_or_else(|| "unknown".into())
    }
}
