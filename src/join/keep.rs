//! Keeps a serving pod's view in step while other pods install and remove apps.
//!
//! A link that came is importable at once; here apps.txt and the assets follow, and the caches that hide
//! the app go. They go again when the last pod has gone whose list was another one: it filled them with
//! its own (caches.rs).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use redis::Pipeline;
use sha2::{Digest, Sha256};

use super::caches::Caches;
use super::view::View;
use super::{live, published};
use crate::bootstrap::Bootstrapped;
use crate::bootstrap::volume::{Volume, random_id};
use crate::config::Config;
use crate::frappe::bench::Bench;
use crate::frappe::queues::BenchQueues;
use crate::health::account::Board;

/// Between two looks at the volume: two questions for a file's time.
const LOOK: Duration = Duration::from_secs(5);
/// Each third look says that this pod is there.
const LOOKS_PER_SIGN: u32 = 3;
/// Without a sign for so long a pod has gone.
const GONE_AFTER_S: u64 = 60;
/// Each so-manieth look marks the assets as used: once an hour.
const LOOKS_PER_MARK: u32 = 720;

/// What is kept in step.
pub struct Keeper {
    view: View,
    volume: Volume,
    board: Board,
    caches: Option<Caches>,
    /// The hash in Redis in which each pod says which list it has.
    key: String,
    id: String,
    listed: Vec<String>,
    seen: Seen,
    others: BTreeSet<String>,
}

/// When what decides changed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    live: Option<SystemTime>,
    installed: Option<SystemTime>,
}

impl Keeper {
    /// Of a pod that begins to serve.
    pub fn of(
        config: &Config,
        bench: &Bench,
        site: &str,
        bootstrapped: &Bootstrapped,
        board: &Board,
    ) -> Self {
        Self {
            view: bootstrapped.view.clone(),
            volume: Volume::to_read(bench.cauldron_site(site)),
            board: board.clone(),
            caches: Caches::of(config, &bootstrapped.database),
            key: BenchQueues::of(config).views(site),
            id: random_id(),
            listed: Vec::new(),
            seen: Seen::default(),
            others: BTreeSet::new(),
        }
    }

    /// Goes on until it is dropped.
    pub async fn keep(mut self) {
        for look in 0_u32.. {
            self.look().await;
            if look % LOOKS_PER_SIGN == 0 {
                self.give_a_sign().await;
            }
            if look % LOOKS_PER_MARK == LOOKS_PER_MARK - 1 {
                if let Err(error) = published::mark_used(self.view.bench(), &self.view.assets()) {
                    tracing::debug!(%error, "the published assets were not marked as used");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&mut self) {
        let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let now = Seen {
            live: modified(&live::folder(self.view.bench())),
            installed: modified(&self.volume.installed_apps_file()),
        };
        if now == self.seen && !self.listed.is_empty() {
            return;
        }
        let installed = self.volume.installed_apps().unwrap_or_default();
        match self.view.follow(&installed) {
            Ok(listed) if listed != self.listed => {
                if !self.listed.is_empty() {
                    tracing::info!(apps = listed.join(", "), "the apps of this pod changed");
                    if let Some(caches) = &self.caches {
                        caches.forget_apps().await;
                    }
                }
                self.listed = listed;
            }
            Ok(_) => {}
            Err(fault) => {
                tracing::warn!(reason = fault.cause, "this pod's list of apps does not follow");
                return;
            }
        }
        self.seen = now;
        self.board.tell_missing_apps(&self.view.missing(&installed));
    }

    /// Says which list this pod has; when the last pod with another one has gone, what it left in the
    /// caches goes, too.
    async fn give_a_sign(&mut self) {
        let Some(caches) = &self.caches else { return };
        let ours = self.digest();
        let mut time = Pipeline::new();
        time.cmd("TIME");
        let Ok(((now_s, _),)) = caches.link().ask::<((u64, u64),)>(&time).await else { return };
        let mut signs = Pipeline::new();
        signs.hset(&self.key, &self.id, format!("{now_s} {ours}")).ignore();
        signs.expire(&self.key, 3600).ignore();
        signs.hgetall(&self.key);
        let Ok((signs,)) = caches.link().ask::<(BTreeMap<String, String>,)>(&signs).await else { return };
        let (others, gone) = others(&signs, &ours, now_s);
        if !gone.is_empty() {
            let mut forget = Pipeline::new();
            forget.hdel(&self.key, gone).ignore();
            let _ = caches.link().ask::<()>(&forget).await;
        }
        if others.is_empty() && !self.others.is_empty() {
            tracing::info!("the last pod with another list of apps has gone; clearing what it cached");
            caches.forget_apps().await;
        }
        self.others = others;
    }

    fn digest(&self) -> String {
        let digest = Sha256::digest(self.listed.join("\n"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Living pods whose list is another one, and pods that have gone.
fn others(signs: &BTreeMap<String, String>, ours: &str, now_s: u64) -> (BTreeSet<String>, Vec<String>) {
    let mut others = BTreeSet::new();
    let mut gone = Vec::new();
    for (id, sign) in signs {
        let (at_s, list) = sign.split_once(' ').unwrap_or(("0", ""));
        if at_s.parse::<u64>().unwrap_or(0) + GONE_AFTER_S < now_s {
            gone.push(id.clone());
        } else if list != ours {
            others.insert(id.clone());
        }
    }
    (others, gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_without_a_sign_for_a_minute_has_gone() {
        let sign = |id: &str, text: &str| (id.to_string(), text.to_string());
        let signs = BTreeMap::from([
            sign("same", "1000 ours"),
            sign("other", "990 theirs"),
            sign("old", "939 theirs"),
            sign("nonsense", ""),
        ]);
        let (living, gone) = others(&signs, "ours", 1000);
        assert_eq!(living, BTreeSet::from(["other".to_string()]));
        assert_eq!(gone, ["nonsense", "old"]);
    }
}
