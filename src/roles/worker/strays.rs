//! Jobs between two lists: RQ moves a job from its queue to `<queue>:intermediate`, and its worker was killed
//! before it began. No clock of its own, no I/O.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A worker needs milliseconds from there to the beginning of its job. Ours would notice that a job was put
/// back; RQ's own and those of releases before this one would run it twice.
const STANDS_FOR: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// RQ's key of the queue.
    pub queue: String,
    pub job: String,
}

/// Since when each has been seen there.
#[derive(Debug, Default)]
pub struct Strays(BTreeMap<Stray, Instant>);

impl Strays {
    /// Those that have stood there for long enough to be looked at. One that stays is due again as much later.
    pub fn due(&mut self, seen: Vec<Stray>, now: Instant) -> Vec<Stray> {
        self.0.retain(|stray, _| seen.contains(stray));
        let mut due = Vec::new();
        for stray in seen {
            let since = self.0.entry(stray.clone()).or_insert(now);
            if now.duration_since(*since) >= STANDS_FOR {
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
    fn what_passes_is_let_be_and_what_stays_is_due_again_and_again() {
        let (mut strays, start) = (Strays::default(), Instant::now());
        let stray = |job: &str| Stray { queue: "rq:queue:b:short".into(), job: job.into() };
        assert!(strays.due(vec![stray("a"), stray("b")], start).is_empty());
        assert_eq!(strays.due(vec![stray("b")], start + STANDS_FOR), [stray("b")]);
        // `a` was away meanwhile.
        assert!(strays.due(vec![stray("a"), stray("b")], start + STANDS_FOR).is_empty());
        assert_eq!(strays.due(vec![stray("b")], start + STANDS_FOR * 2), [stray("b")]);
    }
}
