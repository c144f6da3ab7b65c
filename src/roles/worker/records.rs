//! Our workers' records in Redis, read in one pipeline for all; a second pipeline is sent only for records that
//! are new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use redis::Pipeline;

use super::gate::Gate;
use super::scale::Waiting;
use super::slot::Slot;
use super::strays::Stray;
use super::verdict::{PauseReason, Record, RedisSnapshot};
use crate::config::workers::Workers;
use crate::frappe::queues::{self, BenchQueues, WORKERS, epoch_s};
use crate::redis_client::Link;
use crate::roles::RoleContext;

/// Fields that frappe/worker_jobs.py adds to its worker's record.
const FOREIGN_JOBS: &str = "cauldron_foreign_jobs";
const FOREIGN_SITE: &str = "cauldron_foreign_site";
/// Per queue and poll.
const MAX_STRAYS: usize = 100;

pub struct Records {
    link: Link,
    queues: BenchQueues,
    host: String,
    /// Records of other pods.
    foreign: BTreeSet<String>,
    gate: Gate,
}

impl Records {
    pub fn new(context: &RoleContext<'_>) -> Self {
        Self {
            link: context.queue_redis(),
            queues: context.queues(),
            // Equal to python's socket.gethostname(), which RQ records.
            host: nix::unistd::gethostname()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            foreign: BTreeSet::new(),
            gate: Gate::of(context),
        }
    }

    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Reads everything in one pipeline.
    pub async fn read(&mut self, slots: &[Arc<Slot>], workers: &Workers) -> Result<RedisSnapshot, String> {
        let mut pipeline = self.pipeline(workers);
        let known: Vec<(String, Option<String>)> = slots
            .iter()
            .filter_map(|slot| {
                let facts = slot.facts();
                Some((facts.key.clone()?, facts.job.clone()))
            })
            .collect();
        for (key, job) in &known {
            pipeline.cmd("EXISTS").arg(key).cmd("HGET").arg(key).arg("current_job");
            pipeline.cmd("HGET").arg(queues::job(job.as_deref().unwrap_or_default())).arg("timeout");
            pipeline.cmd("HMGET").arg(key).arg(FOREIGN_JOBS).arg(FOREIGN_SITE);
        }
        let answers = self.link.query::<Vec<redis::Value>>(&pipeline).await;
        let mut answers = answers.inspect_err(|_| self.gate.require_check())?.into_iter();
        let members: BTreeSet<String> = next(&mut answers)?;
        let key_exists: i64 = next(&mut answers)?;
        let is_closed = self.gate.is_closed(key_exists == 1).await;
        let (mut waiting, mut strays) = (Vec::new(), Vec::new());
        for pool in &workers.pools {
            let mut sum = Waiting::default();
            for name in &pool.queues {
                let jobs: u64 = next(&mut answers)?;
                let times: Vec<Option<String>> = next(&mut answers)?;
                let between: Vec<String> = next(&mut answers)?;
                let queue = self.queues.queue(name);
                strays.extend(between.into_iter().map(|job| Stray { queue: queue.clone(), job }));
                sum.jobs += jobs;
                sum.oldest_s = sum.oldest_s.max(age_s(times.into_iter().flatten().next().as_deref()));
            }
            waiting.push(sum);
        }
        let mut records = BTreeMap::new();
        for (key, _) in known {
            let exists: i64 = next(&mut answers)?;
            let job: Option<String> = next(&mut answers)?;
            let timeout: Option<i64> = next(&mut answers).unwrap_or_default();
            let (foreign_jobs, foreign_site): (Option<u64>, Option<String>) = next(&mut answers)?;
            let record = Record {
                exists: exists == 1,
                in_set: members.contains(&key),
                job,
                timeout_s: timeout,
                foreign_jobs: foreign_jobs.unwrap_or_default(),
                foreign_site,
            };
            records.insert(key, record);
        }
        for key in self.find_new(&members, slots).await? {
            records.insert(key, Record { exists: true, in_set: true, ..Record::default() });
        }
        Ok(RedisSnapshot { pause: is_closed.then_some(PauseReason::Gate), waiting, records, strays })
    }

    /// Builds the first part of the pipeline: registered workers, the gate's key, and waiting jobs.
    fn pipeline(&self, workers: &Workers) -> Pipeline {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SMEMBERS").arg(WORKERS).cmd("EXISTS").arg(self.queues.gate());
        for name in workers.pools.iter().flat_map(|pool| &pool.queues) {
            let key = self.queues.queue(name);
            pipeline.cmd("LLEN").arg(&key);
            // The oldest job's enqueue time, without a second round trip.
            pipeline.cmd("SORT").arg(&key).arg("BY").arg("nosort").arg("LIMIT").arg(0).arg(1);
            pipeline.arg("GET").arg(queues::job("*->enqueued_at"));
            pipeline.cmd("LRANGE").arg(self.queues.intermediate(name)).arg(0).arg(MAX_STRAYS - 1);
        }
        pipeline
    }

    /// Returns the new records that are ours, matched by the pid and host that RQ recorded.
    async fn find_new(
        &mut self,
        members: &BTreeSet<String>,
        slots: &[Arc<Slot>],
    ) -> Result<Vec<String>, String> {
        let mut searched: BTreeMap<i32, &Arc<Slot>> = slots
            .iter()
            .filter_map(|slot| {
                let facts = slot.facts();
                Some((facts.pid?, slot)).filter(|_| facts.key.is_none())
            })
            .collect();
        let mut found = Vec::new();
        if searched.is_empty() {
            return Ok(found);
        }
        self.foreign.retain(|key| members.contains(key));
        let known: BTreeSet<String> = slots.iter().filter_map(|slot| slot.facts().key.clone()).collect();
        let new: Vec<&String> =
            members.iter().filter(|key| !known.contains(*key) && !self.foreign.contains(*key)).collect();
        if new.is_empty() {
            return Ok(found);
        }
        let mut pipeline = Pipeline::new();
        for key in &new {
            pipeline.cmd("HMGET").arg(*key).arg("pid").arg("hostname");
        }
        let answers = self.link.query::<Vec<(Option<i32>, Option<String>)>>(&pipeline).await?;
        for (key, (pid, host)) in new.into_iter().zip(answers) {
            let ours =
                pid.filter(|_| host.as_deref() == Some(&self.host)).and_then(|pid| searched.remove(&pid));
            match ours {
                Some(slot) => {
                    slot.facts().key = Some(key.clone());
                    found.push(key.clone());
                }
                None => drop(self.foreign.insert(key.clone())),
            }
        }
        Ok(found)
    }
}

fn next<T: redis::FromRedisValue>(answers: &mut impl Iterator<Item = redis::Value>) -> Result<T, String> {
    let value = answers.next().ok_or("it gave fewer answers than it was asked")?;
    redis::from_redis_value(value).map_err(|error| error.to_string())
}

/// Returns the seconds since one of RQ's timestamps.
pub fn age_s(text: Option<&str>) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    text.and_then(epoch_s).map_or(0.0, |then| (now - then).max(0.0))
}
