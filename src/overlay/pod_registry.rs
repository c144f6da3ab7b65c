//! Which pods of a site live, and which apps each lists: one hash in the cache Redis, beside what they
//! fill it with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::Pipeline;

use super::caches::Caches;
use crate::config::Config;
use crate::frappe::queues::BenchQueues;

/// Without a sign for so long a pod has gone.
const GONE_AFTER_S: u64 = 60;
/// For a pod that lives to see an app that came; one that died a moment ago does not.
const SEES_WITHIN: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The apps that each living pod lists, by the pod's own id.
pub type Lists = BTreeMap<String, Vec<String>>;

pub struct PodRegistry {
    caches: Caches,
    key: String,
}

impl PodRegistry {
    /// None where no cache Redis is named.
    pub fn of(config: &Config, database: &str, site: &str) -> Option<Self> {
        let caches = Caches::of(config, database)?;
        Some(Self { caches, key: BenchQueues::of(config).views(site) })
    }

    /// Says that this pod is there; who else is, or none where Redis is not.
    pub async fn give(&self, id: &str, listed: &[String]) -> Option<Lists> {
        let now_s = self.now_s().await?;
        let mut sign = Pipeline::new();
        sign.hset(&self.key, id, format!("{now_s} {}", listed.join(","))).ignore();
        sign.expire(&self.key, 3600).ignore();
        let mut lists = self.lists(sign, now_s).await?;
        lists.remove(id);
        Some(lists)
    }

    /// Has every pod that runs list an app before it is installed: one whose list lacks it would hide its
    /// hooks even from the install itself (caches.rs).
    pub async fn wait_for(&self, app: &str) {
        let begun = Instant::now();
        loop {
            let behind = self.lack(app).await;
            if behind == 0 {
                return;
            }
            if begun.elapsed() > SEES_WITHIN {
                tracing::warn!(app, pods = behind, "pods run that do not see the app; going on without them");
                return;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// How many pods that run do not list an app; none where Redis does not answer.
    pub async fn lack(&self, app: &str) -> usize {
        let Some(now_s) = self.now_s().await else { return 0 };
        let lists = self.lists(Pipeline::new(), now_s).await.unwrap_or_default();
        lists.values().filter(|list| !list.iter().any(|listed| listed == app)).count()
    }

    /// After these commands, in one round trip with them.
    async fn lists(&self, mut commands: Pipeline, now_s: u64) -> Option<Lists> {
        commands.hgetall(&self.key);
        let (signs,) = self.caches.link().ask::<(BTreeMap<String, String>,)>(&commands).await.ok()?;
        let (living, gone) = living(signs, now_s);
        if !gone.is_empty() {
            let mut forget = Pipeline::new();
            forget.hdel(&self.key, gone).ignore();
            let _ = self.caches.link().ask::<()>(&forget).await;
        }
        Some(living)
    }

    async fn now_s(&self) -> Option<u64> {
        let mut time = Pipeline::new();
        time.cmd("TIME");
        let ((now_s, _),) = self.caches.link().ask::<((u64, u64),)>(&time).await.ok()?;
        Some(now_s)
    }
}

/// What living pods list, and which pods have gone.
fn living(signs: BTreeMap<String, String>, now_s: u64) -> (Lists, Vec<String>) {
    let mut lists = Lists::new();
    let mut gone = Vec::new();
    for (id, sign) in signs {
        let (at_s, list) = sign.split_once(' ').unwrap_or(("0", ""));
        if at_s.parse::<u64>().unwrap_or(0) + GONE_AFTER_S < now_s {
            gone.push(id);
        } else {
            lists.insert(id, list.split(',').map(str::to_string).collect());
        }
    }
    (lists, gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_without_a_sign_for_a_minute_has_gone() {
        let signs =
            [("new", "1000 frappe,ledger"), ("late", "940 frappe"), ("old", "939 frappe"), ("odd", "")];
        let signs = signs.map(|(id, sign)| (id.to_string(), sign.to_string())).into();
        let (lists, gone) = living(signs, 1000);
        assert_eq!(lists["new"], ["frappe", "ledger"]);
        assert_eq!(lists.len(), 2);
        assert_eq!(gone, ["odd", "old"]);
    }
}
