//! Jobs between two lists: RQ has moved a job from its queue to `<queue>:intermediate`, and the worker was killed
//! before it began the job. Pure: the caller passes the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A worker needs milliseconds from there to begin its job. Our workers notice that a job was put back;
/// RQ's own workers, and those of our earlier releases, would run it twice.
const MIN_AGE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// RQ's key of the queue.
    pub queue: String,
    pub job: String,
}

/// The jobs seen there, each with the time it was first seen or last due.
#[derive(Debug, Default)]
pub struct Strays(BTreeMap<Stray, Instant>);

impl Strays {
    /// Returns the jobs that have been there for `MIN_AGE`. A job that stays is due again after the same time.
    pub fn due(&mut self, current: Vec<Stray>, now: Instant) -> Vec<Stray> {
        self.0.retain(|stray, _| current.contains(stray));
        let mut due = Vec::new();
        for stray in current {
            let since = self.0.entry(stray.clone()).or_insert(now);
            if now.duration_since(*since) >= MIN_AGE {
                *since = now;
                due.push(stray);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_stays_is_due_repeatedly_and_one_that_leaves_is_not() {
        let (mut strays, start) = (Strays::default(), Instant::now());
        let stray = |job: &str| Stray { queue: "rq:queue:b:short".into(), job: job.into() };
        assert!(strays.due(vec![stray("a"), stray("b")], start).is_empty());
        assert_eq!(strays.due(vec![stray("b")], start + MIN_AGE), [stray("b")]);
        // `a` had left in between.
        assert!(strays.due(vec![stray("a"), stray("b")], start + MIN_AGE).is_empty());
        assert_eq!(strays.due(vec![stray("b")], start + MIN_AGE * 2), [stray("b")]);
    }
}
