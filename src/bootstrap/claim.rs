//! The claim of the queue Redis: `cauldron:claim:<bench_id>:<site>` names the installation whose jobs
//! are in it. Two installations of one site on one Redis would run each other's jobs.
//!
//! A serving pod renews it; it ends ten minutes after the last one.

use std::time::Duration;

use redis::AsyncCommands;

use super::volume::Volume;
use crate::beat::{self, BEAT};
use crate::config::Config;
use crate::frappe::bench::Bench;
use crate::frappe::queues::BenchQueues;
use crate::health::account::Board;
use crate::redis_client::{Link, Options};

const TTL_S: u64 = 600;
const RENEW_EVERY: Duration = BEAT.saturating_mul(90);

/// One installation's claim of one queue.
pub struct Claim {
    link: Link,
    key: String,
    install_id: String,
}

impl Claim {
    /// None for a site that has no identity of its own: a copy claims nothing.
    pub fn of(link: Link, config: &Config, bench: &Bench, site: &str) -> Option<Self> {
        let volume = Volume::to_read(bench.cauldron_site(site));
        if volume.copy_mark().ok()?.is_some() {
            return None;
        }
        let install_id = volume.known_install_id().ok()??;
        let key = BenchQueues::of(config).claim(site);
        Some(Self { link, key, install_id })
    }

    /// Takes or renews it. The installation that has it, where that is another one.
    async fn hold(&self) -> Result<Option<String>, String> {
        let connected = self.link.server()?.connect(&Options::default()).await;
        let mut connection = connected.map_err(|error| error.to_string())?;
        // Without the right to write it there is no claim, and nothing is known of another one.
        let set =
            redis::cmd("SET").arg(&self.key).arg(&self.install_id).arg("NX").arg("EX").arg(TTL_S).to_owned();
        let _: Option<String> = set.query_async(&mut *connection).await.unwrap_or_default();
        let holder: Option<String> = connection.get(&self.key).await.unwrap_or_default();
        if holder.as_ref() == Some(&self.install_id) {
            let _: Result<bool, _> = connection.expire(&self.key, TTL_S.cast_signed()).await;
        }
        Ok(holder.filter(|holder| *holder != self.install_id))
    }

    /// Holds it until dropped, and tells whoever else does.
    pub async fn keep(self, board: Board) {
        let mut told = None;
        loop {
            match self.hold().await {
                Ok(other) => {
                    if other != told {
                        tell(&self.key, &self.install_id, other.as_deref());
                        board.update(|account| account.queue_of.clone_from(&other));
                        told = other;
                    }
                }
                Err(error) => tracing::debug!(error, "the claim of the queue Redis was not renewed"),
            }
            beat::next(RENEW_EVERY).await;
        }
    }
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
