//! The claim of the queue Redis: `cauldron:claim:<bench_id>:<site>` names the installation whose jobs are in it. Two
//! installations of one site on one Redis would run each other's jobs.
//!
//! A serving pod renews the claim; it expires ten minutes after the last renewal.

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

/// One installation's claim of the queue Redis.
pub struct Claim {
    link: Link,
    key: String,
    install_id: String,
    queues: BenchQueues,
    bench: Bench,
}

/// The claim of a site that is not in our `sites/` but whose jobs are in queues of the same names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignClaim {
    pub site: String,
    pub install_id: String,
}

/// Returns every claim of a site that this bench does not have, renewed in the last ten minutes.
///
/// # Errors
/// Redis did not answer, or the login lacks the right to read.
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
    /// Returns the site's claim, or None for a site without its own identity: a copy claims nothing.
    pub fn of(link: Link, pod: &Pod, site: &str, queues: &BenchQueues) -> Option<Self> {
        let volume = Volume::read_only(pod.bench.cauldron_site(site));
        if volume.copy_mark().ok()?.is_some() {
            return None;
        }
        let install_id = volume.known_install_id().ok()??;
        let queues = queues.clone();
        let key = queues.claim(site);
        Some(Self { link, key, install_id, queues, bench: pod.bench.clone() })
    }

    /// Takes or renews the claim. Returns the installation that has it, if it is another one, and all foreign claims.
    async fn renew(&self) -> Result<(Option<String>, Vec<ForeignClaim>), String> {
        let connected = self.link.server()?.connect(&Options::default()).await;
        let mut connection = connected.map_err(|error| error.to_string())?;
        // Without the right to write the key there is no claim, and another installation is not known.
        let set = redis::cmd("SET")
            .arg(&self.key)
            .arg(&self.install_id)
            .arg("NX")
            .arg("EX")
            .arg(CLAIM_LIFETIME.as_secs())
            .to_owned();
        let _: Option<String> = set.query_async(&mut *connection).await.unwrap_or_default();
        let owner: Option<String> = connection.get(&self.key).await.unwrap_or_default();
        if owner.as_ref() == Some(&self.install_id) {
            let _: Result<bool, _> =
                connection.expire(&self.key, CLAIM_LIFETIME.as_secs().cast_signed()).await;
        }
        let foreign = foreign_claims(&mut *connection, &self.queues, &self.bench).await.unwrap_or_default();
        Ok((owner.filter(|owner| *owner != self.install_id), foreign))
    }

    /// Renews the claim until dropped, and reports other installations.
    pub async fn keep(self, status: StatusHandle) {
        let (mut reported, mut logged_foreign) = (None, Vec::new());
        loop {
            match self.renew().await {
                Ok((other, foreign)) => {
                    foreign.iter().filter(|claim| !logged_foreign.contains(*claim)).for_each(log_foreign);
                    logged_foreign = foreign;
                    if other != reported {
                        log_owner(&self.key, &self.install_id, other.as_deref());
                        status.update(|status| status.queue_of.clone_from(&other));
                        reported = other;
                    }
                }
                Err(error) => tracing::debug!(
                    event = "queue.claim_not_renewed",
                    error,
                    "cannot renew the claim of the queue Redis"
                ),
            }
            tick::next(CLAIM_RENEWAL).await;
        }
    }
}

fn log_foreign(claim: &ForeignClaim) {
    tracing::warn!(
        event = "queue.shared_with_installation",
        site = claim.site,
        installation = claim.install_id,
        "another installation has the same bench_id and uses this queue Redis: its jobs and ours are in the same \
         queues. Our workers run none of its jobs; give each installation its own queue Redis (REDIS_QUEUE) or its \
         own `bench_id` in common_site_config.json"
    );
}

fn log_owner(key: &str, ours: &str, other: Option<&str>) {
    match other {
        Some(other) => tracing::warn!(
            event = "queue.claimed_by_other",
            key,
            ours,
            other,
            "another installation of this site uses this queue Redis: each would run the other's jobs; set \
             REDIS_QUEUE to a separate Redis or Redis database, or set another bench_id in common_site_config.json"
        ),
        None => tracing::info!(
            event = "queue.claim_regained",
            key,
            "the queue Redis belongs to this installation again"
        ),
    }
}
