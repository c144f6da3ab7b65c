//! Parked jobs: jobs of sites that may not run here, which our workers have moved out of the queues
//! (frappe/parked_jobs.py). They are counted, and put back where a worker of an earlier release has to find them.

use std::collections::BTreeMap;

use redis::Pipeline;

use crate::frappe::queues::BenchQueues;
use crate::redis_client::Link;
use crate::roles::RoleContext;
use crate::status::handle::StatusHandle;

/// A field of a worker's record, written by frappe/parked_jobs.py.
const KNOWS_PARKED: &str = "cauldron_knows_parked";
const PUT_BACK: &str = include_str!("../../frappe/put_back_parked.lua");
/// The number of jobs that one script moves.
const BATCH: u64 = 1000;

/// One list of parked jobs.
#[derive(Debug, PartialEq, Eq)]
struct Parked {
    site: String,
    queue: String,
    jobs: u64,
    listeners: Listeners,
}

/// The live workers of a queue, in all pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    /// True if one takes jobs from the lists.
    know: bool,
    /// True if one does not: a worker of an earlier release, or plain RQ.
    ignore: bool,
}

impl Listeners {
    /// Adds what `of` reads to a SORT of the set of a queue's workers.
    pub fn ask(query: &mut Pipeline) {
        query.arg("GET").arg("*->birth").arg("GET").arg(format!("*->{KNOWS_PARKED}"));
    }

    /// Reads the pairs of `birth` and the field of all registered workers. A dead worker stays registered for a while.
    pub fn of(records: &[Option<String>]) -> Self {
        let mut listeners = Self::default();
        for record in records.chunks(2) {
            match record {
                [Some(_), Some(_)] => listeners.know = true,
                [Some(_), None] => listeners.ignore = true,
                _ => {}
            }
        }
        listeners
    }

    pub fn any(self) -> bool {
        self.know || self.ignore
    }
}

pub struct ParkedJobs {
    link: Link,
    queues: BenchQueues,
    status: StatusHandle,
}

impl ParkedJobs {
    pub fn new(context: &RoleContext<'_>) -> Self {
        Self { link: context.queue_redis(), queues: context.queues(), status: context.pod.status.clone() }
    }

    /// Counts and logs the parked jobs, and puts those back that a worker of the queue would not find.
    pub async fn poll(&self) {
        let Ok(lists) = self.read().await else { return };
        self.report(&lists);
        for list in lists.iter().filter(|list| list.listeners.ignore) {
            let reason = "a worker of an earlier release listens to the queue";
            self.put_back(&self.queues, &list.site, &list.queue, reason).await;
        }
    }

    /// Puts the jobs back that no other worker would find, after the last worker of this pod.
    pub async fn end(&self) {
        let Ok(lists) = self.read().await else { return };
        for list in lists.iter().filter(|list| !list.listeners.know) {
            let reason = "the last worker that takes parked jobs has ended";
            self.put_back(&self.queues, &list.site, &list.queue, reason).await;
        }
    }

    /// Puts the parked jobs of these sites back into a queue of another bench id, from which they will be moved.
    ///
    /// # Errors
    /// The reason why Redis did not answer.
    pub async fn put_back_from(&self, id: &BenchQueues, queue: &str, sites: &[String]) -> Result<(), String> {
        let mut set = Pipeline::new();
        set.cmd("SMEMBERS").arg(id.parked());
        let (members,): (Vec<String>,) = self.link.query(&set).await?;
        for site in sites.iter().filter(|site| members.contains(&format!("{site}:{queue}"))) {
            self.put_back(id, site, queue, "the bench id has changed").await;
        }
        Ok(())
    }

    async fn read(&self) -> Result<Vec<Parked>, String> {
        let mut set = Pipeline::new();
        set.cmd("SMEMBERS").arg(self.queues.parked());
        let (members,): (Vec<String>,) = self.link.query(&set).await?;
        let mut lists = Vec::new();
        if members.is_empty() {
            return Ok(lists);
        }
        let mut details = Pipeline::new();
        let names = || members.iter().filter_map(|member| member.split_once(':'));
        for (site, queue) in names() {
            details.cmd("LLEN").arg(self.queues.parked_list(&format!("{site}:{queue}")));
            details.cmd("SORT").arg(self.queues.workers(queue)).arg("BY").arg("nosort");
            Listeners::ask(&mut details);
        }
        let answers: Vec<redis::Value> = self.link.query(&details).await?;
        for ((site, queue), answer) in names().zip(answers.chunks(2)) {
            let answer = redis::Value::Array(answer.to_vec());
            let (jobs, records): (u64, Vec<Option<String>>) =
                redis::from_redis_value(answer).map_err(|error| error.to_string())?;
            let listeners = Listeners::of(&records);
            lists.push(Parked { site: site.into(), queue: queue.into(), jobs, listeners });
        }
        Ok(lists)
    }

    /// Logs the sites whose first job was parked, or whose last one has left.
    fn report(&self, lists: &[Parked]) {
        let mut jobs: BTreeMap<String, u64> = BTreeMap::new();
        for list in lists.iter().filter(|list| list.jobs > 0) {
            *jobs.entry(list.site.clone()).or_default() += list.jobs;
        }
        let mut before = BTreeMap::new();
        self.status.update(|status| before = std::mem::replace(&mut status.parked_jobs, jobs.clone()));
        for (site, jobs) in jobs.iter().filter(|(site, _)| !before.contains_key(*site)) {
            tracing::warn!(
                event = "queue.jobs_parked",
                site,
                jobs,
                "jobs of a site that may not run here wait outside the queues; they run when it may"
            );
        }
        for site in before.keys().filter(|site| !jobs.contains_key(*site)) {
            tracing::info!(event = "queue.no_jobs_parked", site, "no job of the site is parked any more");
        }
    }

    async fn put_back(&self, id: &BenchQueues, site: &str, queue: &str, reason: &str) {
        let (member, mut jobs) = (format!("{site}:{queue}"), 0);
        loop {
            let mut script = Pipeline::new();
            script.cmd("EVAL").arg(PUT_BACK).arg(3);
            script.arg(id.parked()).arg(id.parked_list(&member)).arg(id.queue(queue));
            script.arg(&member).arg(BATCH);
            match self.link.query::<(u64,)>(&script).await {
                Ok((left,)) => {
                    jobs += left;
                    if left < BATCH {
                        break;
                    }
                }
                Err(problem) => {
                    tracing::error!(
                        event = "queue.parked_jobs_not_put_back",
                        site,
                        queue,
                        problem,
                        "cannot put parked jobs back; a worker of this release takes them"
                    );
                    return;
                }
            }
        }
        tracing::info!(
            event = "queue.parked_jobs_put_back",
            site,
            queue,
            jobs,
            reason,
            "parked jobs are in their queue again"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_worker_without_the_field_does_not_know_the_lists() {
        let some = |text: &str| Some(text.to_string());
        assert_eq!(Listeners::of(&[]), Listeners::default());
        assert_eq!(Listeners::of(&[None, None, None, some("1")]), Listeners::default());
        assert_eq!(Listeners::of(&[some("b"), some("1")]), Listeners { know: true, ignore: false });
        let both = [some("b"), None, some("b"), some("1")];
        assert_eq!(Listeners::of(&both), Listeners { know: true, ignore: true });
    }
}
