//! Keeps the status of the other sites up to date while a pod serves. No session stays open between two examinations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::examine::{Examined, Examiner};
use super::refused::RefusedSites;
use crate::bench::Bench;
use crate::frappe::sites::{self, OtherSite};
use crate::pod::Pod;
use crate::status::gate::RelationKind;
use crate::status::handle::StatusHandle;
use crate::status::other_sites::Fit;
use crate::tick::{self, PERIOD};

/// The interval for a site that is not served: the longest delay before it is served after its migration.
const POLL_INTERVAL: Duration = PERIOD.saturating_mul(4);
/// A served site is examined in every fourth round.
const SERVED_SITE_ROUNDS: u32 = 4;
/// The longest wait for the first examination before the role serves.
const FIRST_EXAMINATION_TIMEOUT: Duration = Duration::from_secs(10);

/// The results of the examinations so far.
pub struct Follower {
    examiner: Examiner,
    bench: Bench,
    site: String,
    status: StatusHandle,
    refused: RefusedSites,
    seen: BTreeMap<String, Examined>,
    round: u32,
}

impl Follower {
    /// Follows every site of the bench except `site`.
    pub fn new(examiner: Examiner, pod: &Pod, site: &str) -> Self {
        let (bench, site, status) = (pod.bench.clone(), site.to_string(), pod.status.clone());
        let refused = RefusedSites::new(&pod.runtime_dir);
        Self { examiner, bench, site, status, refused, seen: BTreeMap::new(), round: 0 }
    }

    /// Examines all sites before requests arrive. What does not finish in time is done later.
    pub async fn begin(&mut self) {
        if tokio::time::timeout(FIRST_EXAMINATION_TIMEOUT, self.examine_all()).await.is_err() {
            tracing::warn!(
                event = "other_site.examination_timed_out",
                "not every other site of the bench was examined in time; their hosts get 503 until they are"
            );
        }
    }

    /// Examines the sites periodically until dropped.
    pub async fn keep(mut self) {
        loop {
            tick::next(POLL_INTERVAL).await;
            self.round = self.round.wrapping_add(1);
            self.examine_all().await;
        }
    }

    async fn examine_all(&mut self) {
        let sites = sites::others(&self.bench, &self.site);
        self.seen.retain(|name, _| sites.iter().any(|site| site.name == *name));
        let names: BTreeSet<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        self.status.retain_other_sites(&names);
        self.refused.keep(&names);
        // Until a site has been examined, none of its jobs may start.
        let unexamined = sites.iter().filter(|site| !site.is_alias && !self.seen.contains_key(&site.name));
        unexamined.for_each(|site| self.refused.set(&site.name, true));
        for OtherSite { name, is_alias } in sites {
            let last = self.seen.get(&name);
            let is_due = !last.is_some_and(|last| last.fit.is_served())
                || self.round.is_multiple_of(SERVED_SITE_ROUNDS);
            if !is_due && !self.examiner.is_locked(&name) {
                continue;
            }
            if is_alias {
                self.status.publish_other_site(&name, Fit::Served(RelationKind::Equal));
                continue;
            }
            let seen = self.examiner.examine(&name, last).await;
            self.status.publish_other_site(&name, seen.fit.clone());
            self.refused.set(&name, !seen.fit.is_served());
            self.seen.insert(name, seen);
        }
    }
}
