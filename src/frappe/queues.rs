//! The keys of RQ in Redis, with the names that Frappe gives its queues, and our own keys
//! (docs/frappe-jobs.md#queue-keys).

use super::bench_id::BenchIds;
use crate::config::Config;

/// The queues of one bench.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchQueues {
    bench_id: String,
}

/// The key of all workers of all benches on this Redis.
pub const WORKERS: &str = "rq:workers";
/// The key of the set of all queues of all benches on this Redis.
pub const QUEUES: &str = "rq:queues";

impl BenchQueues {
    /// Reads common_site_config.json: after the bootstrap these are the names that Frappe's processes use.
    pub fn of(config: &Config) -> Self {
        Self::new(BenchIds::of(config).current)
    }

    /// The queues of the names that the bench had before, the oldest first. Jobs and workers of this bench may still
    /// be in them, and after a while those of another installation.
    pub fn former_of(config: &Config) -> Vec<Self> {
        BenchIds::of(config).former.into_iter().map(Self::new).collect()
    }

    pub fn new(bench_id: impl Into<String>) -> Self {
        Self { bench_id: bench_id.into() }
    }

    pub fn id(&self) -> &str {
        &self.bench_id
    }

    /// The waiting jobs, oldest first.
    pub fn queue(&self, name: &str) -> String {
        format!("rq:queue:{}", self.full(name))
    }

    /// The jobs that a worker of only this queue has taken from it and not begun.
    pub fn intermediate(&self, name: &str) -> String {
        format!("{}:intermediate", self.queue(name))
    }

    /// A registry of RQ: wip, finished, failed, scheduled, deferred.
    pub fn registry(&self, registry: &str, name: &str) -> String {
        format!("rq:{registry}:{}", self.full(name))
    }

    /// The workers of a queue.
    pub fn workers(&self, name: &str) -> String {
        format!("rq:workers:{}", self.full(name))
    }

    /// The key that pauses this bench's workers during a migration; it expires unless it is renewed.
    pub fn gate(&self) -> String {
        format!("cauldron:gate:{}", self.bench_id)
    }

    /// The hash of the installations whose jobs are in the queues (`bring_up/claims.rs`).
    pub fn claims(&self) -> String {
        format!("cauldron:claim:{}", self.bench_id)
    }

    /// The key that names the installation of this site whose jobs are in the queues. Releases up to 0.2.0 have no other.
    pub fn claim(&self, site: &str) -> String {
        format!("cauldron:claim:{}:{site}", self.bench_id)
    }

    /// The set of the lists of parked jobs, each as `<site>:<queue>` (docs/frappe-jobs.md#parked-jobs).
    pub fn parked(&self) -> String {
        format!("cauldron:parked:{}", self.bench_id)
    }

    /// A list of parked jobs, oldest first; `member` is its name in the set.
    pub fn parked_list(&self, member: &str) -> String {
        format!("{}:{member}", self.parked())
    }

    /// The lists of apps of a site's serving pods.
    pub fn views(&self, site: &str) -> String {
        format!("cauldron:views:{}:{site}", self.bench_id)
    }

    /// The key that exists while a scheduler of the site ticks; it expires unless it is renewed.
    pub fn scheduler(&self, site: &str) -> String {
        format!("cauldron:scheduler:{}:{site}", self.bench_id)
    }

    /// True if a worker with these queues, as in its record, works for this bench.
    pub fn is_any_of(&self, queues: &str) -> bool {
        queues
            .split(',')
            .any(|name| name.strip_prefix(&self.bench_id).is_some_and(|rest| rest.starts_with(':')))
    }

    /// RQ's name of a queue, which is the `origin` of its jobs.
    pub fn full(&self, name: &str) -> String {
        format!("{}:{name}", self.bench_id)
    }
}

/// The site that Frappe names in the ids of its jobs: v15 writes `site::id`, v16 `site||id`.
pub fn site_of(id: &str) -> Option<&str> {
    let end = ["::", "||"].iter().filter_map(|separator| id.find(separator)).min()?;
    Some(&id[..end]).filter(|site| !site.is_empty())
}

/// The key of a job.
pub fn job(id: &str) -> String {
    format!("rq:job:{id}")
}

/// RQ's times, `2026-11-23T11:40:00.123456Z`, as seconds since 1970.
pub fn epoch_s(text: &str) -> Option<f64> {
    let (date, time) = text.trim_end_matches('Z').split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (time.next()??, time.next()??, time.next()??);
    // Days of the civil calendar with years that begin in March (Howard Hinnant's days_from_civil).
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469;
    Some(days as f64 * 86_400.0 + hours * 3600.0 + minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_times_are_those_of_frappe_and_rq() {
        let queues = BenchQueues::new("home-frappe-frappe-bench");
        assert_eq!(queues.queue("default"), "rq:queue:home-frappe-frappe-bench:default");
        assert_eq!(epoch_s("1970-01-01T00:00:00.000000Z"), Some(0.0));
        assert_eq!(epoch_s("2026-11-23T11:40:00.500000Z"), Some(1_795_434_000.5));
        assert_eq!(epoch_s("2024-02-29T23:59:59Z"), Some(1_709_251_199.0));
        assert_eq!(epoch_s("yesterday"), None);
        assert_eq!(
            ["a.test::x||1", "a.test||x", "x", "::x"].map(site_of),
            [Some("a.test"), Some("a.test"), None, None]
        );
        assert!(queues.is_any_of("other:short,home-frappe-frappe-bench:long"));
        assert!(!queues.is_any_of("home-frappe-frappe-bench-2:long"));
        assert_eq!(BenchQueues::new("one").registry("wip", "long"), "rq:wip:one:long");
    }
}
