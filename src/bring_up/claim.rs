//! The claim of the queue Redis: `cauldron:claim:<bench_id>:<site>` names the installation whose jobs
//! are in it. Two installations of one site on one Redis would run each other's jobs.
//!
//! A serving pod renews it; it ends ten minutes after the last one.

use redis::aio::ConnectionLike;
use redis::{AsyncCommands, RedisResult};

use crate::bench::Bench;
use crate::frappe::queues::BenchQueues;
use crate::frappe::sites::is_site;
use crate::pod::Pod;
use crate::record::timing::{CLAIM_LIFETIME, CLAIM_RENEWAL};
use crate::record::volume::Volume;
use crate::redis_client::{Link, Options};
use crate::status::handle::StatusHandle;
use crate::tick;

/// One installation's claim of one queue.
pub struct Claim {
    link: Link,
    key: String,
    install_id: String,
    queues: BenchQueues,
    bench: Bench,
}

/// A site that is not in our `sites/`, whose jobs are in queues of the same names, and whose installation it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignClaim {
    pub site: String,
    pub install_id: String,
}

/// Every claim of a site that this bench has not, of the last ten minutes.
///
/// # Errors
/// Redis did not answer, or the login may not ask.
pub async fn foreign_claims(
    connection: &mut impl ConnectionLike,
    queues: &BenchQueues,
    bench: &Bench,
) -> RedisResult<Vec<ForeignClaim>> {
    let prefix = queues.claim("");
    let literal = |c: char| if "*?[]\\^-".contains(c) { format!("\\{c}") } else { c.to_string() };
    let pattern = format!("{}*", prefix.chars().map(literal).collect::<String>());
    let (mut cursor, mut keys) = (0_u64, Vec::<String>::new());
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
        let (next, found): (u64, Vec<String>) = scan.query_async(connection).await?;
        keys.extend(found);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    let mut claims = Vec::new();
    for key in keys {
        let site = key.strip_prefix(&prefix).unwrap_or_default().to_string();
        if !is_site(&bench.site(&site))
            && let Some(install_id) = redis::cmd("GET").arg(&key).query_async(connection).await?
        {
            claims.push(ForeignClaim { site, install_id });
        }
    }
    claims.sort();
    claims.dedup();
    Ok(claims)
}

impl Claim {
    /// None for a site that has no identity of its own: a copy claims nothing.
    pub fn of(link: Link, pod: &Pod, site: &str) -> Option<Self> {
        let volume = Volume::to_read(pod.bench.cauldron_site(site));
        if volume.copy_mark().ok()?.is_some() {
            return None;
        }
        let install_id = volume.known_install_id().ok()??;
        let queues = BenchQueues::of(&pod.config);
        let key = queues.claim(site);
        Some(Self { link, key, install_id, queues, bench: pod.bench.clone() })
    }

    /// Takes or renews it. The installation that has it, where that is another one, and the claims of others.
    async fn hold(&self) -> Result<(Option<String>, Vec<ForeignClaim>), String> {
        let connected = self.link.server()?.connect(&Options::default()).await;
        let mut connection = connected.map_err(|error| error.to_string())?;
        // Without the right to write it there is no claim, and nothing is known of another one.
        let set = redis::cmd("SET")
            .arg(&self.key)
            .arg(&self.install_id)
            .arg("NX")
            .arg("EX")
            .arg(CLAIM_LIFETIME.as_secs())
            .to_owned();
        let _: Option<String> = set.query_async(&mut *connection).await.unwrap_or_default();
        let holder: Option<String> = connection.get(&self.key).await.unwrap_or_default();
        if holder.as_ref() == Some(&self.install_id) {
            let _: Result<bool, _> =
                connection.expire(&self.key, CLAIM_LIFETIME.as_secs().cast_signed()).await;
        }
        let foreign = foreign_claims(&mut *connection, &self.queues, &self.bench).await.unwrap_or_default();
        Ok((holder.filter(|holder| *holder != self.install_id), foreign))
    }

    /// Holds it until dropped, and tells whoever else does.
    pub async fn keep(self, status: StatusHandle) {
        let (mut told, mut told_foreign) = (None, Vec::new());
        loop {
            match self.hold().await {
                Ok((other, foreign)) => {
                    foreign.iter().filter(|claim| !told_foreign.contains(*claim)).for_each(tell_foreign);
                    told_foreign = foreign;
                    if other != told {
                        tell(&self.key, &self.install_id, other.as_deref());
                        status.update(|status| status.queue_of.clone_from(&other));
                        told = other;
                    }
                }
                Err(error) => tracing::debug!(error, "the claim of the queue Redis was not renewed"),
            }
            tick::next(CLAIM_RENEWAL).await;
        }
    }
}

fn tell_foreign(claim: &ForeignClaim) {
    tracing::warn!(
        site = claim.site,
        installation = claim.install_id,
        "another installation has the same bench_id and uses this queue Redis: its jobs and ours are in the same queues. \
         Our workers leave its jobs to it; give each installation a queue Redis of its own (REDIS_QUEUE) or its own \
         `bench_id` in common_site_config.json"
    );
}

fn tell(key: &str, ours: &str, other: Option<&str>) {
    match other {
        Some(other) => tracing::warn!(
            key,
            ours,
            other,
            "another installation of this site uses this queue Redis: each would run the other's jobs; give this one a \
             Redis or a database of its own in REDIS_QUEUE, or another bench_id in common_site_config.json"
        ),
        None => tracing::info!(key, "the queue Redis is this installation's own again"),
    }
}
