//! Updates a serving pod's overlay while other pods install and remove apps.
//!
//! A new link is importable at once. This task then updates apps.txt and the assets, and clears the caches that hide
//! the app. It clears them again after the last pod with another list has ended, because that pod filled them from its
//! own list (caches.rs).

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

/// The interval between two polls of the volume, each of which reads two modification times.
const POLL_INTERVAL: Duration = PERIOD;
/// This pod registers again after this many polls: every 16 s.
const POLLS_PER_REGISTRATION: u32 = 8;
/// This pod marks its assets as used after this many polls: once an hour.
const POLLS_PER_MARK: u32 = 1800;

/// The task that updates the overlay.
pub struct OverlaySync {
    overlay: BenchOverlay,
    volume: Volume,
    status: StatusHandle,
    caches: Option<Caches>,
    registry: Option<PodRegistry>,
    id: String,
    listed: Vec<String>,
    /// The apps that were installed at the last inspection.
    installed: Vec<String>,
    timestamps: Timestamps,
    /// The number of pods with another list, at the last registration.
    differing_pods: usize,
    /// Polls until the caches are cleared once more: a request that began before the list changed may have filled them
    /// from the old list.
    polls_until_clear: u32,
}

/// The modification times of the folder of links, and of the site's list of installed apps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Timestamps {
    live: Option<SystemTime>,
    installed: Option<SystemTime>,
}

impl OverlaySync {
    /// Creates the task for a pod that starts to serve.
    pub fn of(pod: &Pod, overlay: &BenchOverlay, site: &str, database: &str) -> Self {
        Self {
            overlay: overlay.clone(),
            volume: Volume::read_only(overlay.bench().cauldron_site(site)),
            status: pod.status.clone(),
            caches: Caches::of(&pod.config, database),
            registry: PodRegistry::of(&pod.config, database, site),
            id: random_id(),
            listed: Vec::new(),
            installed: Vec::new(),
            timestamps: Timestamps::default(),
            differing_pods: 0,
            polls_until_clear: POLLS_PER_REGISTRATION,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        for poll in 0_u32.. {
            if self.inspect().await || poll % POLLS_PER_REGISTRATION == 0 {
                self.register().await;
            }
            if self.polls_until_clear > 0 {
                self.polls_until_clear -= 1;
                if self.polls_until_clear == 0 {
                    self.clear_caches().await;
                }
            }
            if poll % POLLS_PER_MARK == POLLS_PER_MARK - 1
                && let Err(error) = published::mark_used(self.overlay.bench(), &self.overlay.assets())
            {
                tracing::debug!(event = "overlay.assets_not_marked", %error, "cannot mark published assets as used");
            }
            tick::next(POLL_INTERVAL).await;
        }
    }

    /// Updates the overlay if something changed. Returns true if this pod's list changed.
    async fn inspect(&mut self) -> bool {
        let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let now = Timestamps {
            live: modified(&shared_apps::folder(self.overlay.bench())),
            installed: modified(&self.volume.installed_apps_file()),
        };
        if now == self.timestamps && !self.listed.is_empty() {
            return false;
        }
        let installed = self.volume.installed_apps().unwrap_or_default();
        let listed = match self.overlay.refresh(&installed) {
            Ok(listed) => listed,
            Err(fault) => {
                tracing::warn!(
                    event = "overlay.update_failed",
                    reason = fault.cause,
                    "cannot update this pod's list of apps"
                );
                return false;
            }
        };
        self.timestamps = now;
        self.status.publish_missing_apps(&self.overlay.missing(&installed));
        let changed = listed != self.listed;
        if changed {
            self.polls_until_clear = POLLS_PER_REGISTRATION;
        }
        if changed && !self.listed.is_empty() {
            tracing::info!(
                event = "overlay.apps_changed",
                apps = listed.join(", "),
                "the list of apps of this pod changed"
            );
        }
        // An app that was listed before and is installed now changes the hooks too.
        if (changed || installed != self.installed) && !self.listed.is_empty() {
            self.clear_caches().await;
        }
        (self.listed, self.installed) = (listed, installed);
        changed
    }

    /// Registers this pod's list of apps. Clears the caches if the last pod with another list has ended.
    async fn register(&mut self) {
        let Some(registry) = &self.registry else { return };
        let Some(lists) = registry.register(&self.id, &self.listed).await else { return };
        let differing_pods = lists.values().filter(|list| **list != self.listed).count();
        if differing_pods == 0 && self.differing_pods > 0 {
            tracing::info!(
                event = "overlay.differing_pods_ended",
                "the last pod with another list of apps has ended: clearing the caches that it may have filled"
            );
            self.clear_caches().await;
        }
        self.differing_pods = differing_pods;
    }

    async fn clear_caches(&self) {
        if let Some(caches) = &self.caches {
            caches.clear_app_caches().await;
        }
    }
}
