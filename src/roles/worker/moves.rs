//! Moves the jobs of our own sites from the names of other bench ids to the present one, so that workers serve both
//! until the former are empty (docs/frappe-jobs.md#former-bench-ids).

use std::path::PathBuf;

use redis::Pipeline;

use super::parked::{Listeners, ParkedJobs};
use super::strays::Stray;
use super::used_queues::UsedQueues;
use crate::bench::Bench;
use crate::bring_up::claims;
use crate::frappe::bench_id::BenchIds;
use crate::frappe::queues::{BenchQueues, QUEUES};
use crate::frappe::sites;
use crate::redis_client::{Link, Options};
use crate::roles::RoleContext;

const MOVE: &str = include_str!("../../frappe/move_jobs.lua");
/// The number of jobs that one script reads.
const BATCH: u64 = 500;
/// Bounds the time of one poll.
const MAX_BATCHES: u32 = 100;
/// RQ's registries whose jobs wait or can be put back.
const REGISTRIES: [&str; 3] = ["scheduled", "deferred", "failed"];

pub struct Moves {
    link: Link,
    bench: Bench,
    site: String,
    own: BenchQueues,
    root: PathBuf,
    queues: Vec<String>,
}

impl Moves {
    pub fn new(context: &RoleContext<'_>) -> Self {
        let workers = &context.pod.config.workers;
        Self {
            link: context.queue_redis(),
            bench: context.pod.bench.clone(),
            site: context.site.to_string(),
            own: context.queues(),
            root: workers.bench_root.clone(),
            queues: workers.timeouts.keys().cloned().collect(),
        }
    }

    /// Moves what waits under other ids, and returns the jobs that a killed worker of such an id has left. An error is
    /// logged; the next poll continues.
    pub async fn poll(&self, parked: &ParkedJobs) -> Vec<Stray> {
        let Some(used) = self.used() else { return Vec::new() };
        match self.move_all(&used, parked).await {
            Ok(strays) => strays,
            Err(problem) => {
                log_failure(&problem);
                Vec::new()
            }
        }
    }

    /// Leaves nothing under the id of this pod if it is not the current one: its workers have ended.
    pub async fn end(&self, parked: &ParkedJobs) {
        let Some(used) = self.used().filter(|used| used.own != used.current) else { return };
        for queue in &self.queues {
            if let Err(problem) = self.move_from(&used.own, &used.current, queue, parked).await {
                log_failure(&problem);
            }
        }
    }

    /// The queues of all ids, if there is more than one.
    fn used(&self) -> Option<UsedQueues> {
        let ids = BenchIds::in_file(&self.bench.sites(), &self.root)?;
        Some(UsedQueues::of(ids, &self.own)).filter(|used| !used.are_one())
    }

    async fn move_all(&self, used: &UsedQueues, parked: &ParkedJobs) -> Result<Vec<Stray>, String> {
        let mut strays = Vec::new();
        if used.own == used.current && !self.has_any(&used.former).await? {
            return Ok(strays);
        }
        for queue in &self.queues {
            let (current, own) =
                (self.has_workers(&used.current, queue).await?, self.has_workers(&used.own, queue).await?);
            let has_workers = |id: &BenchQueues| if *id == used.current { current } else { own };
            let Some(target) = used.target(has_workers) else { continue };
            for source in used.sources(target) {
                if self.move_from(source, target, queue, parked).await? {
                    strays.extend(self.strays(source, queue).await?);
                }
            }
        }
        Ok(strays)
    }

    /// Moves our jobs of a queue, also the parked ones. Returns false if no job under the source's id is ours.
    async fn move_from(
        &self,
        source: &BenchQueues,
        target: &BenchQueues,
        queue: &str,
        parked: &ParkedJobs,
    ) -> Result<bool, String> {
        let ours = self.sites_under(source).await?;
        if ours.is_empty() {
            return Ok(false);
        }
        parked.put_back_from(source, queue, &ours).await?;
        self.move_queue(source, target, queue, &ours).await?;
        Ok(true)
    }

    /// Moves the waiting jobs of a queue, and those in its registries.
    async fn move_queue(
        &self,
        source: &BenchQueues,
        target: &BenchQueues,
        queue: &str,
        ours: &[String],
    ) -> Result<(), String> {
        let origin = target.full(queue);
        let waiting = self.move_key(source.queue(queue), target.queue(queue), &origin, ours).await?;
        let mut counts = [0; REGISTRIES.len()];
        for (registry, count) in REGISTRIES.iter().zip(&mut counts) {
            let (from, to) = (source.registry(registry, queue), target.registry(registry, queue));
            *count = self.move_key(from, to, &origin, ours).await?;
        }
        let [scheduled, deferred, failed] = counts;
        if waiting + scheduled + deferred + failed > 0 {
            tracing::info!(
                event = "jobs.moved",
                from = source.id(),
                to = target.id(),
                queue,
                waiting,
                scheduled,
                deferred,
                failed,
                "moved jobs of this bench from another bench id"
            );
        }
        Ok(())
    }

    /// Moves our jobs from a list or sorted set to another one, and returns their number.
    async fn move_key(&self, from: String, to: String, origin: &str, ours: &[String]) -> Result<u64, String> {
        let (mut position, mut total) = (0, 0);
        for _ in 0..MAX_BATCHES {
            let mut script = Pipeline::new();
            script.cmd("EVAL").arg(MOVE).arg(3).arg(&from).arg(&to).arg(QUEUES);
            script.arg(origin).arg(position).arg(BATCH).arg(ours);
            let ((read, moved),): ((u64, u64),) = self.link.query(&script).await?;
            position += read - moved;
            total += moved;
            if read < BATCH {
                break;
            }
        }
        Ok(total)
    }

    /// True if anything is left under the ids: one command, since the ids stay in the file.
    async fn has_any(&self, ids: &[BenchQueues]) -> Result<bool, String> {
        let mut query = Pipeline::new();
        query.cmd("EXISTS");
        for id in ids {
            query.arg(id.parked());
            for queue in &self.queues {
                query.arg(id.queue(queue)).arg(id.intermediate(queue));
                query.arg(REGISTRIES.map(|registry| id.registry(registry, queue)).as_slice());
            }
        }
        let (found,): (u64,) = self.link.query(&query).await?;
        Ok(found > 0)
    }

    async fn has_workers(&self, id: &BenchQueues, queue: &str) -> Result<bool, String> {
        let mut query = Pipeline::new();
        query.cmd("SORT").arg(id.workers(queue)).arg("BY").arg("nosort");
        Listeners::ask(&mut query);
        let (records,): (Vec<Option<String>>,) = self.link.query(&query).await?;
        Ok(Listeners::of(&records).any())
    }

    async fn strays(&self, id: &BenchQueues, queue: &str) -> Result<Vec<Stray>, String> {
        let mut query = Pipeline::new();
        query.cmd("LRANGE").arg(id.intermediate(queue)).arg(0).arg(99);
        let (jobs,): (Vec<String>,) = self.link.query(&query).await?;
        Ok(jobs.into_iter().map(|job| Stray { queue: id.queue(queue), job }).collect())
    }

    /// The sites of this bench whose jobs under an id are ours. A copy has the former ids of its original and sites of
    /// the same names, so a site that another installation claims under the id is not among them.
    async fn sites_under(&self, id: &BenchQueues) -> Result<Vec<String>, String> {
        let others = sites::others(&self.bench, &self.site).into_iter().map(|other| other.name);
        let sites: Vec<String> = others.chain([self.site.clone()]).collect();
        let connected = self.link.server()?.connect(&Options::default()).await;
        let mut connection = connected.map_err(|error| error.to_string())?;
        let claimed = claims::by_others(&mut *connection, id, &self.bench, &sites);
        let claimed = claimed.await.map_err(|error| error.to_string())?;
        Ok(sites.into_iter().filter(|site| !claimed.contains(site)).collect())
    }
}

fn log_failure(problem: &str) {
    tracing::warn!(
        event = "jobs.not_moved",
        problem,
        "cannot move jobs to the present bench id; the next poll tries again"
    );
}
