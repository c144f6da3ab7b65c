//! Whether the queues are this bench's alone: another installation with the same bench_id on this Redis has
//! queues of the same names.

use std::collections::BTreeMap;

use redis::RedisResult;
use redis::aio::ConnectionLike;

use super::clock::Clock;
use super::configuration::Known;
use super::finding::Finding;
use super::id::Id;
use crate::bring_up::claim::{ForeignClaim, foreign_claims};
use crate::frappe::queues::{self, BenchQueues};
use crate::frappe::sites::is_site;
use crate::outcome;
use crate::record::volume::Volume;
use crate::redis_client::{Options, Server};

/// Of each queue, from its front: jobs that no worker of ours takes gather there.
const IDS: isize = 1000;
const HINT: &str = "give each installation a queue Redis of its own (REDIS_QUEUE), or its own `bench_id` in \
                    common_site_config.json; if the site was dropped, delete its jobs";

/// What was found of others.
#[derive(Debug, Default)]
struct Others {
    /// Another installation of our own site.
    rival: Option<ForeignClaim>,
    claims: Vec<ForeignClaim>,
    /// How many of the jobs that wait are of a site that is not here.
    jobs: BTreeMap<String, u64>,
}

pub async fn look(known: &Known, clock: Clock) -> Finding {
    let id = Id::QueueOwner;
    let subject = BenchQueues::of(&known.config).queue("*");
    let skipped = |reason: &str| Finding::skipped(id, &subject, reason);
    if let Err(reason) = known.redis("REDIS_QUEUE") {
        return skipped(&reason);
    }
    let Some(url) = known.config.redis.queue.as_ref() else { return skipped("REDIS_QUEUE is not set") };
    let ask = async {
        let server = Server::new(url, known.config.redis.tls_ca.as_ref(), "REDIS_QUEUE").ok()?;
        let options = Options { timeout: clock.left(), ..Options::default() };
        let mut connection = server.connect(&options).await.ok()?;
        Some(read(&mut *connection, known).await)
    };
    match clock.ask(id, &subject, ask).await {
        Err(silent) => silent,
        Ok(None) => skipped("the server cannot be used"),
        Ok(Some(Err(error))) => skipped(&format!("this login may not ask: {error}")),
        Ok(Some(Ok(others))) => judge(subject, &others),
    }
}

async fn read(connection: &mut impl ConnectionLike, known: &Known) -> RedisResult<Others> {
    let queues = BenchQueues::of(&known.config);
    let claims = foreign_claims(connection, &queues, &known.bench).await?;
    let rival = rival(connection, &queues, known).await?;
    let mut jobs = BTreeMap::new();
    for name in known.config.workers.timeouts.keys() {
        let mut range = redis::cmd("LRANGE");
        let ids: Vec<String> =
            range.arg(queues.queue(name)).arg(0).arg(IDS - 1).query_async(connection).await?;
        for job in ids {
            let Some(site) = queues::site_of(&job) else { continue };
            if is_site(&known.bench.site(site)) {
                continue;
            }
            // An id may look like that and be nobody's; RQ describes the call with its arguments.
            let mut describe = redis::cmd("HGET");
            let call: Option<String> =
                describe.arg(queues::job(&job)).arg("description").query_async(connection).await?;
            if call.is_some_and(|call| call.contains(&format!("site='{site}'"))) {
                *jobs.entry(site.to_string()).or_default() += 1;
            }
        }
    }
    Ok(Others { rival, claims, jobs })
}

/// Who claims the queues for our site, where it is not this volume's installation.
async fn rival(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
    known: &Known,
) -> RedisResult<Option<ForeignClaim>> {
    let Some(site) = known.config.site.clone() else { return Ok(None) };
    let ours = Volume::to_read(known.bench.cauldron_site(&site)).known_install_id().ok().flatten();
    let claim: Option<String> = redis::cmd("GET").arg(queues.claim(&site)).query_async(connection).await?;
    let theirs = claim.filter(|claim| ours.as_ref().is_some_and(|ours| ours != claim));
    Ok(theirs.map(|install_id| ForeignClaim { site, install_id }))
}

fn judge(subject: String, others: &Others) -> Finding {
    let claims = others
        .rival
        .iter()
        .chain(&others.claims)
        .map(|claim| format!("{} is claimed by installation {}", claim.site, claim.install_id));
    let jobs = others
        .jobs
        .iter()
        .map(|(site, count)| format!("{count} jobs of {site} wait, which is not in sites/"));
    let told: Vec<String> = claims.chain(jobs).collect();
    if told.is_empty() {
        return Finding::ok(Id::QueueOwner, subject, "no other installation is seen in them");
    }
    Finding::error(Id::QueueOwner, outcome::CONFIGURATION, subject, told.join("; "), HINT)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn claims_and_jobs_of_other_sites_are_errors() {
        assert_eq!(judge("q".into(), &Others::default()).severity, Severity::Ok);
        let claims = vec![ForeignClaim { site: "b.test".into(), install_id: "i-2".into() }];
        let jobs = BTreeMap::from([("c.test".to_string(), 2)]);
        let finding = judge("q".into(), &Others { claims, jobs, rival: None });
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(
            finding.detail,
            "b.test is claimed by installation i-2; 2 jobs of c.test wait, which is not in sites/"
        );
    }
}
