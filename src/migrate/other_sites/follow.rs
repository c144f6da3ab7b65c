//! Keeps the account of the other sites up to date while a pod serves. No session is held between two looks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::examine::{Examiner, Seen};
use super::refused::RefusedSites;
use crate::bench::Bench;
use crate::frappe::sites::{self, OtherSite};
use crate::pod::Pod;
use crate::status::gate::RelationKind;
use crate::status::handle::StatusHandle;
use crate::status::other_sites::Fit;
use crate::tick::{self, PERIOD};

/// Between two looks at a site that is not served: so soon it is served after its migration.
const LOOK_EVERY: Duration = PERIOD.saturating_mul(4);
/// One that is served is looked at in every fourth round.
const ROUNDS_SERVED: u32 = 4;
/// The first look is waited for so long before the role serves.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// What is known so far.
pub struct Follower {
    examiner: Examiner,
    bench: Bench,
    site: String,
    status: StatusHandle,
    refused: RefusedSites,
    seen: BTreeMap<String, Seen>,
    round: u32,
}

impl Follower {
    /// Of every site of the bench but `site`.
    pub fn new(examiner: Examiner, pod: &Pod, site: &str) -> Self {
        let (bench, site, status) = (pod.bench.clone(), site.to_string(), pod.status.clone());
        let refused = RefusedSites::new(&pod.runtime_dir);
        Self { examiner, bench, site, status, refused, seen: BTreeMap::new(), round: 0 }
    }

    /// The first look, before requests come; what it does not come to is done later.
    pub async fn begin(&mut self) {
        if tokio::time::timeout(FIRST_LOOK, self.look()).await.is_err() {
            tracing::warn!(
                "not every other site of the bench was examined in time; its hosts get 503 until it is"
            );
        }
    }

    /// Until it is dropped.
    pub async fn keep(mut self) {
        loop {
            tick::next(LOOK_EVERY).await;
            self.round = self.round.wrapping_add(1);
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let sites = sites::others(&self.bench, &self.site);
        self.seen.retain(|name, _| sites.iter().any(|site| site.name == *name));
        let names: BTreeSet<&str> = sites.iter().map(|site| site.name.as_str()).collect();
        self.status.keep_other_sites(&names);
        self.refused.keep(&names);
        // Until a site has been examined, none of its jobs begins.
        let unexamined = sites.iter().filter(|site| !site.is_alias && !self.seen.contains_key(&site.name));
        unexamined.for_each(|site| self.refused.set(&site.name, true));
        for OtherSite { name, is_alias } in sites {
            let last = self.seen.get(&name);
            let is_due =
                !last.is_some_and(|last| last.fit.is_served()) || self.round.is_multiple_of(ROUNDS_SERVED);
            if !is_due && !self.examiner.is_held(&name) {
                continue;
            }
            if is_alias {
                self.status.tell_other_site(&name, Fit::Served(RelationKind::Equal));
                continue;
            }
            let seen = self.examiner.examine(&name, last).await;
            self.status.tell_other_site(&name, seen.fit.clone());
            self.refused.set(&name, !seen.fit.is_served());
            self.seen.insert(name, seen);
        }
    }
}
