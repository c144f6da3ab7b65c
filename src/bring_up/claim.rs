//! A serving pod claims the queues of its bench id, and reports other installations that do (`claims`): their jobs are
//! in the same queues. Two installations of one site would run each other's jobs.
//!
//! The claim expires ten minutes after the last renewal.

use redis::AsyncCommands;

use super::claims::{self, ForeignClaim};
use crate::bench::Bench;
use crate::frappe::queues::BenchQueues;
use crate::pod::Pod;
use crate::record::timing::{CLAIM_LIFETIME, CLAIM_RENEWAL};
use crate::record::volume::Volume;
use crate::redis_client::{Link, Options};
use crate::status::handle::StatusHandle;
use crate::tick;

/// One installation's claim of the queue Redis.
pub struct Claim {
    link: Link,
    site: String,
    /// The key that releases up to 0.2.0 read and write.
    key: String,
    install_id: String,
    queues: BenchQueues,
    bench: Bench,
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
        Some(Self { link, site: site.to_string(), key, install_id, queues, bench: pod.bench.clone() })
    }

    /// Takes or renews the claim. Returns another installation of the site, and all foreign claims of other sites.
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
        let _ = claims::renew(&mut *connection, &self.queues, &self.site, &self.install_id).await;
        let foreign = claims::foreign(&mut *connection, &self.queues, &self.bench).await.unwrap_or_default();
        let (rivals, foreign): (Vec<_>, Vec<_>) =
            foreign.into_iter().partition(|claim| claim.site == self.site);
        let rival = rivals.into_iter().next().map(|claim| claim.install_id);
        Ok((owner.filter(|owner| *owner != self.install_id).or(rival), foreign))
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
         queues. Our workers run none of its jobs; give each installation its own CAULDRON_BENCH_ID or queue Redis \
         (REDIS_QUEUE)"
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
             another CAULDRON_BENCH_ID, or set REDIS_QUEUE to a separate Redis or Redis database"
        ),
        None => tracing::info!(
            event = "queue.claim_regained",
            key,
            "the queue Redis belongs to this installation again"
        ),
    }
}
