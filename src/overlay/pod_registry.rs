//! Registers the live pods of a site with the apps that each lists: one hash in the cache Redis, whose content depends
//! on these lists.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::Pipeline;

use super::caches::Caches;
use crate::config::Config;
use crate::frappe::queues::BenchQueues;

/// The time after which a pod that has not registered again counts as ended.
const EXPIRY_S: u64 = 60;
/// The time for live pods to list a new app. A pod that died a moment ago never does.
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The apps that each live pod lists, by the pod's id.
pub type AppLists = BTreeMap<String, Vec<String>>;

pub struct PodRegistry {
    caches: Caches,
    key: String,
}

impl PodRegistry {
    /// None if no cache Redis is configured.
    pub fn of(config: &Config, database: &str, site: &str) -> Option<Self> {
        let caches = Caches::of(config, database)?;
        Some(Self { caches, key: BenchQueues::of(config).views(site) })
    }

    /// Registers this pod. Returns the lists of the other pods; None if Redis does not answer.
    pub async fn register(&self, id: &str, listed: &[String]) -> Option<AppLists> {
        let now_s = self.now_s().await?;
        let mut write = Pipeline::new();
        write.hset(&self.key, id, format!("{now_s} {}", listed.join(","))).ignore();
        write.expire(&self.key, 3600).ignore();
        let mut lists = self.list(write, now_s).await?;
        lists.remove(id);
        Some(lists)
    }

    /// Waits until every live pod lists an app, before it is installed: a pod whose list lacks it would hide its hooks
    /// even from the install itself (caches.rs).
    pub async fn wait_for(&self, app: &str) {
        let begun = Instant::now();
        loop {
            let behind = self.pods_lacking(app).await;
            if behind == 0 {
                return;
            }
            if begun.elapsed() > WAIT_TIMEOUT {
                tracing::warn!(
                    event = "overlay.pods_lack_app",
                    app,
                    pods = behind,
                    "running pods do not list the app yet: continuing anyway"
                );
                return;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The number of live pods that do not list an app; 0 if Redis does not answer.
    pub async fn pods_lacking(&self, app: &str) -> usize {
        let Some(now_s) = self.now_s().await else { return 0 };
        let lists = self.list(Pipeline::new(), now_s).await.unwrap_or_default();
        lists.values().filter(|list| !list.iter().any(|listed| listed == app)).count()
    }

    /// Runs the commands and reads the lists of all live pods, in one round trip.
    async fn list(&self, mut commands: Pipeline, now_s: u64) -> Option<AppLists> {
        commands.hgetall(&self.key);
        let (entries,) = self.caches.link().query::<(BTreeMap<String, String>,)>(&commands).await.ok()?;
        let (lists, expired) = split_expired(entries, now_s);
        if !expired.is_empty() {
            let mut delete = Pipeline::new();
            delete.hdel(&self.key, expired).ignore();
            let _ = self.caches.link().query::<()>(&delete).await;
        }
        Some(lists)
    }

    async fn now_s(&self) -> Option<u64> {
        let mut time = Pipeline::new();
        time.cmd("TIME");
        let ((now_s, _),) = self.caches.link().query::<((u64, u64),)>(&time).await.ok()?;
        Some(now_s)
    }
}

/// The lists of the live pods, and the ids of expired ones.
fn split_expired(entries: BTreeMap<String, String>, now_s: u64) -> (AppLists, Vec<String>) {
    let mut lists = AppLists::new();
    let mut expired = Vec::new();
    for (id, entry) in entries {
        let (at_s, list) = entry.split_once(' ').unwrap_or(("0", ""));
        if at_s.parse::<u64>().unwrap_or(0) + EXPIRY_S < now_s {
            expired.push(id);
        } else {
            lists.insert(id, list.split(',').map(str::to_string).collect());
        }
    }
    (lists, expired)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_has_not_registered_for_a_minute_is_expired() {
        let entries =
            [("new", "1000 frappe,ledger"), ("late", "940 frappe"), ("old", "939 frappe"), ("odd", "")];
        let entries = entries.map(|(id, entry)| (id.to_string(), entry.to_string())).into();
        let (lists, expired) = split_expired(entries, 1000);
        assert_eq!(lists["new"], ["frappe", "ledger"]);
        assert_eq!(lists.len(), 2);
        assert_eq!(expired, ["odd", "old"]);
    }
}
