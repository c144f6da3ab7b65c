//! The queues in which jobs of this bench may wait: those of the bench id in common_site_config.json, and those of
//! other ids (docs/frappe-jobs.md#former-bench-ids). Pure.

use crate::frappe::bench_id::BenchIds;
use crate::frappe::queues::BenchQueues;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedQueues {
    /// Those of the id in the file now; jobs are enqueued there.
    pub current: BenchQueues,
    /// Those that the workers of this pod listen to, of the id in the file when the pod started.
    pub own: BenchQueues,
    /// All others.
    pub former: Vec<BenchQueues>,
}

impl UsedQueues {
    /// `ids` as they are in the file now: another pod may have changed the id since this one started.
    pub fn of(ids: BenchIds, own: &BenchQueues) -> Self {
        let former = ids.former.into_iter().map(BenchQueues::new).filter(|queues| queues != own).collect();
        Self { current: BenchQueues::new(ids.current), own: own.clone(), former }
    }

    /// True if every job is under the only id that this bench ever had.
    pub fn are_one(&self) -> bool {
        self.former.is_empty() && self.current == self.own
    }

    /// Selects the id whose workers run the jobs of a queue: the current one, or this pod's while none listens to that.
    /// Without a worker under either, nothing moves.
    pub fn target(&self, has_workers: impl Fn(&BenchQueues) -> bool) -> Option<&BenchQueues> {
        [&self.current, &self.own].into_iter().find(|id| has_workers(id))
    }

    /// All ids but the target.
    pub fn sources<'a>(&'a self, target: &'a BenchQueues) -> impl Iterator<Item = &'a BenchQueues> {
        let own = Some(&self.own).filter(|own| **own != self.current);
        self.former.iter().chain([&self.current]).chain(own).filter(move |id| *id != target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(current: &str, former: &[&str], own: &str) -> UsedQueues {
        let former = former.iter().map(ToString::to_string).collect();
        let ids = BenchIds { current: current.into(), is_written: true, former };
        UsedQueues::of(ids, &BenchQueues::new(own))
    }

    #[test]
    fn jobs_move_to_the_current_id_as_soon_as_a_worker_listens_to_it() {
        let names = |used: &UsedQueues, target: &str| {
            used.sources(&BenchQueues::new(target)).map(|queues| queues.id().to_string()).collect::<Vec<_>>()
        };
        assert!(used("a", &[], "a").are_one());
        // A pod of the new id.
        let queues = used("new", &["older", "old"], "new");
        assert!(!queues.are_one());
        assert_eq!(queues.target(|_| false), None);
        assert_eq!(queues.target(|_| true), Some(&queues.current));
        assert_eq!(names(&queues, "new"), ["older", "old"]);
        // A pod of the old id, before and after a worker of the new one is there.
        let queues = used("new", &["old"], "old");
        assert_eq!(queues.target(|queues| queues.id() == "old"), Some(&queues.own));
        assert_eq!(names(&queues, "old"), ["new"]);
        assert_eq!(queues.target(|_| true), Some(&queues.current));
        assert_eq!(names(&queues, "new"), ["old"]);
    }
}
