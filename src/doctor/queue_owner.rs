//! Checks that no other installation uses the queues of this bench: one with the same bench_id on this Redis has
//! queues of the same names.

use std::collections::BTreeMap;

use redis::RedisResult;
use redis::aio::ConnectionLike;

use super::clock::Clock;
use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::bring_up::claims::{self, ForeignClaim};
use crate::frappe::queues::{self, BenchQueues};
use crate::frappe::sites::is_site;
use crate::outcome;
use crate::redis_client::{Options, Server};

/// The number of jobs read from the front of each queue, where jobs that our workers do not take accumulate.
const MAX_JOBS: isize = 1000;
const HINT: &str = "give each installation its own CAULDRON_BENCH_ID or queue Redis (REDIS_QUEUE); if the site was dropped, \
                    delete its jobs";
const HELD_HINT: &str = "they run when a worker's code fits the site: migrate the site, or start a worker";

/// Traces of other installations in the queues.
#[derive(Debug, Default)]
struct Others {
    claims: Vec<ForeignClaim>,
    /// The number of waiting jobs for each site that does not exist in this bench.
    jobs: BTreeMap<String, u64>,
    /// The number of parked jobs for each site.
    parked: BTreeMap<String, u64>,
}

pub async fn check(inputs: &Inputs, clock: Clock) -> Finding {
    let id = Id::QueueOwner;
    let subject = BenchQueues::of(&inputs.config).queue("*");
    let skipped = |reason: &str| Finding::skipped(id, &subject, reason);
    if let Err(reason) = inputs.redis("REDIS_QUEUE") {
        return skipped(&reason);
    }
    let Some(url) = inputs.config.redis.queue.as_ref() else { return skipped("REDIS_QUEUE is not set") };
    let ask = async {
        let server = Server::new(url, inputs.config.redis.tls_ca.as_ref(), "REDIS_QUEUE").ok()?;
        let options = Options { timeout: clock.remaining(), ..Options::default() };
        let mut connection = server.connect(&options).await.ok()?;
        Some(read(&mut *connection, inputs).await)
    };
    match clock.run(id, &subject, ask).await {
        Err(timed_out) => timed_out,
        Ok(None) => skipped("the server cannot be used"),
        Ok(Some(Err(error))) => skipped(&format!("the queues cannot be read: {error}")),
        Ok(Some(Ok(others))) => evaluate(subject, &others, |site| is_site(&inputs.bench.site(site))),
    }
}

async fn read(connection: &mut impl ConnectionLike, inputs: &Inputs) -> RedisResult<Others> {
    let queues = BenchQueues::of(&inputs.config);
    let claims = claims::foreign(connection, &queues, &inputs.bench).await?;
    let mut jobs = BTreeMap::new();
    for name in inputs.config.workers.timeouts.keys() {
        let mut range = redis::cmd("LRANGE");
        let ids: Vec<String> =
            range.arg(queues.queue(name)).arg(0).arg(MAX_JOBS - 1).query_async(connection).await?;
        for job in ids {
            let Some(site) = queues::site_of(&job) else { continue };
            if is_site(&inputs.bench.site(site)) {
                continue;
            }
            // An id of this form does not prove a site: check the description, where RQ writes the call with its
            // arguments.
            let mut describe = redis::cmd("HGET");
            let call: Option<String> =
                describe.arg(queues::job(&job)).arg("description").query_async(connection).await?;
            if call.is_some_and(|call| call.contains(&format!("site='{site}'"))) {
                *jobs.entry(site.to_string()).or_default() += 1;
            }
        }
    }
    Ok(Others { claims, jobs, parked: parked(connection, &queues).await? })
}

/// The number of parked jobs for each site (docs/frappe-jobs.md#parked-jobs).
async fn parked(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
) -> RedisResult<BTreeMap<String, u64>> {
    let lists: Vec<String> = redis::cmd("SMEMBERS").arg(queues.parked()).query_async(connection).await?;
    let mut parked = BTreeMap::new();
    for (list, site) in lists.iter().filter_map(|list| Some((list, list.split_once(':')?.0))) {
        let jobs: u64 = redis::cmd("LLEN").arg(queues.parked_list(list)).query_async(connection).await?;
        *parked.entry(site.to_string()).or_default() += jobs;
    }
    Ok(parked)
}

fn evaluate(subject: String, others: &Others, is_ours: impl Fn(&str) -> bool) -> Finding {
    let (held, foreign): (Vec<_>, Vec<_>) = others.parked.iter().partition(|(site, _)| is_ours(site));
    let claims = others
        .claims
        .iter()
        .map(|claim| format!("{} is claimed by installation {}", claim.site, claim.install_id));
    let jobs = others
        .jobs
        .iter()
        .map(|(site, count)| format!("{count} jobs wait for {site}, which is not in sites/"));
    let parked = foreign
        .iter()
        .map(|(site, count)| format!("{count} jobs are parked for {site}, which is not in sites/"));
    let traces: Vec<String> = claims.chain(jobs).chain(parked).collect();
    if traces.is_empty() && held.is_empty() {
        return Finding::ok(Id::QueueOwner, subject, "no other installation uses them");
    }
    if traces.is_empty() {
        let held: Vec<String> =
            held.iter().map(|(site, count)| format!("{count} jobs are parked for {site}")).collect();
        return Finding::warning(Id::QueueOwner, subject, held.join("; "), HELD_HINT);
    }
    Finding::error(Id::QueueOwner, outcome::CONFIGURATION, subject, traces.join("; "), HINT)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn claims_and_jobs_of_other_sites_are_errors() {
        let evaluate = |others: &Others| evaluate("q".into(), others, |site| site == "ours.test");
        assert_eq!(evaluate(&Others::default()).severity, Severity::Ok);
        let parked = |site: &str| BTreeMap::from([(site.to_string(), 3)]);
        let finding = evaluate(&Others { parked: parked("ours.test"), ..Others::default() });
        assert_eq!(
            (finding.severity, &*finding.detail),
            (Severity::Warning, "3 jobs are parked for ours.test")
        );
        let finding = evaluate(&Others { parked: parked("theirs.test"), ..Others::default() });
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(finding.detail, "3 jobs are parked for theirs.test, which is not in sites/");
        let claims = vec![ForeignClaim { site: "b.test".into(), install_id: "i-2".into() }];
        let jobs = BTreeMap::from([("c.test".to_string(), 2)]);
        let finding = evaluate(&Others { claims, jobs, ..Others::default() });
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(
            finding.detail,
            "b.test is claimed by installation i-2; 2 jobs wait for c.test, which is not in sites/"
        );
    }
}
