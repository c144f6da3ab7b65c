//! The claim of the queue Redis: `cauldron:claim:<bench_id>:<site>` names the installation whose jobs
//! are in it. Two installations of one site on one Redis would run each other's jobs.
//!
//! A serving pod renews it; it ends ten minutes after the last one.

use std::time::Duration;

use redis::AsyncCommands;

use super::volume::Volume;
use crate::config::Config;
use crate::frappe::bench::Bench;
use crate::frappe::json_file;
use crate::health::account::Board;
use crate::net::ConnectError;
use crate::redis_client::{Options, Server};

const TTL_S: u64 = 600;
const RENEW_EVERY: Duration = Duration::from_secs(180);

/// One installation's claim of one queue.
pub struct Claim {
    server: Server,
    key: String,
    install_id: String,
}

impl Claim {
    /// None for a site that has no identity of its own: a copy claims nothing.
    pub fn of(config: &Config, bench: &Bench, site: &str) -> Option<Self> {
        let volume = Volume::to_read(bench.cauldron_site(site));
        if volume.copy_mark().ok()?.is_some() {
            return None;
        }
        let install_id = volume.known_install_id().ok()??;
        let server =
            Server::new(config.redis.queue.as_ref()?, config.redis.tls_ca.as_ref(), "REDIS_QUEUE").ok()?;
        let key = format!("cauldron:claim:{}:{site}", bench_id(bench));
        Some(Self { server, key, install_id })
    }

    /// Takes or renews it. The installation that has it, where that is another one.
    async fn hold(&self) -> Result<Option<String>, ConnectError> {
        let mut connection = self.server.connect(&Options::default()).await?;
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
                Err(error) => tracing::debug!(%error, "the claim of the queue Redis was not renewed"),
            }
            tokio::time::sleep(RENEW_EVERY).await;
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

/// As `frappe.utils.get_bench_id` builds it: RQ's queues are named with it.
fn bench_id(bench: &Bench) -> String {
    let config = json_file::read_object(&bench.sites().join("common_site_config.json"));
    let configured = config
        .ok()
        .and_then(Result::ok)
        .and_then(|config| config.get("bench_id").and_then(|id| id.as_str()).map(str::to_string));
    configured.unwrap_or_else(|| bench.root().display().to_string().trim_matches('/').replace('/', "-"))
}
