//! Keeps a serving pod's view in step while other pods install and remove apps.
//!
//! A link that came is importable at once; here apps.txt and the assets follow, and the caches that hide
//! the app go. They go again when the last pod has gone whose list was another one: it filled them with
//! its own (caches.rs).

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::bench_overlay::BenchOverlay;
use super::caches::Caches;
use super::pod_registry::PodRegistry;
use super::published;
use crate::apps::shared_apps;
use crate::pod::Pod;
use crate::record::volume::{Volume, random_id};
use crate::status::handle::StatusHandle;
use crate::tick::{self, PERIOD};

/// Between two looks at the volume: two questions for a file's time.
const LOOK: Duration = PERIOD;
/// So many looks, and this pod says again that it is there: every 16 s.
const LOOKS_PER_SIGN: u32 = 8;
/// So many, and it marks its assets as used: once an hour.
const LOOKS_PER_MARK: u32 = 1800;

/// What is kept in step.
pub struct OverlaySync {
    overlay: BenchOverlay,
    volume: Volume,
    status: StatusHandle,
    caches: Option<Caches>,
    signs: Option<PodRegistry>,
    id: String,
    listed: Vec<String>,
    seen: Seen,
    /// Pods with another list, at the last sign.
    others: usize,
    /// Looks until the caches are cleared once more: a request that began before the list changed may have
    /// filled them as it was.
    looks_to_clear: u32,
}

/// When what decides changed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    live: Option<SystemTime>,
    installed: Option<SystemTime>,
}

impl OverlaySync {
    /// Of a pod that begins to serve.
    pub fn of(pod: &Pod, overlay: &BenchOverlay, site: &str, database: &str) -> Self {
        Self {
            overlay: overlay.clone(),
            volume: Volume::to_read(overlay.bench().cauldron_site(site)),
            status: pod.status.clone(),
            caches: Caches::of(&pod.config, database),
            signs: PodRegistry::of(&pod.config, database, site),
            id: random_id(),
            listed: Vec::new(),
            seen: Seen::default(),
            others: 0,
            looks_to_clear: LOOKS_PER_SIGN,
        }
    }

    /// Goes on until it is dropped.
    pub async fn keep(mut self) {
        for look in 0_u32.. {
            if self.look().await || look % LOOKS_PER_SIGN == 0 {
                self.give_a_sign().await;
            }
            if self.looks_to_clear > 0 {
                self.looks_to_clear -= 1;
                if self.looks_to_clear == 0 {
                    self.forget_caches().await;
                }
            }
            if look % LOOKS_PER_MARK == LOOKS_PER_MARK - 1
                && let Err(error) = published::mark_used(self.overlay.bench(), &self.overlay.assets())
            {
                tracing::debug!(%error, "the published assets were not marked as used");
            }
            tick::next(LOOK).await;
        }
    }

    /// Whether this pod's list changed.
    async fn look(&mut self) -> bool {
        let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let now = Seen {
            live: modified(&shared_apps::folder(self.overlay.bench())),
            installed: modified(&self.volume.installed_apps_file()),
        };
        if now == self.seen && !self.listed.is_empty() {
            return false;
        }
        let installed = self.volume.installed_apps().unwrap_or_default();
        let listed = match self.overlay.follow(&installed) {
            Ok(listed) => listed,
            Err(fault) => {
                tracing::warn!(reason = fault.cause, "this pod's list of apps does not follow");
                return false;
            }
        };
        self.seen = now;
        self.status.tell_missing_apps(&self.overlay.missing(&installed));
        let changed = listed != self.listed;
        if changed {
            self.looks_to_clear = LOOKS_PER_SIGN;
        }
        if changed && !self.listed.is_empty() {
            tracing::info!(apps = listed.join(", "), "the apps of this pod changed");
            self.forget_caches().await;
        }
        self.listed = listed;
        changed
    }

    /// Says which apps this pod lists; when the last pod with another list has gone, what it left in the
    /// caches goes, too.
    async fn give_a_sign(&mut self) {
        let Some(signs) = &self.signs else { return };
        let Some(lists) = signs.give(&self.id, &self.listed).await else { return };
        let others = lists.values().filter(|list| **list != self.listed).count();
        if others == 0 && self.others > 0 {
            tracing::info!("the last pod with another list of apps has gone; clearing what it cached");
            self.forget_caches().await;
        }
        self.others = others;
    }

    async fn forget_caches(&self) {
        if let Some(caches) = &self.caches {
            caches.forget_apps().await;
        }
    }
}
