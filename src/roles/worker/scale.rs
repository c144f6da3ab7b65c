//! How many processes a pool should have: no clock of its own, no I/O.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// A job that has waited for so long wants another process.
const WAITED_LONG: f64 = 2.0;
/// So many for each process, too, however young they are.
const MANY: u64 = 10;
/// A process that had nothing to do for so long goes.
const IDLE: Duration = Duration::from_secs(60);

/// What waits in a pool's queues.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    pub jobs: u64,
    /// Seconds that the oldest of them has waited.
    pub oldest_s: f64,
}

#[derive(Clone, Debug)]
pub struct Scale {
    range: RangeInclusive<u16>,
    now: u16,
    idle_since: Option<Instant>,
}

impl Scale {
    pub fn new(range: RangeInclusive<u16>) -> Self {
        Self { now: *range.start(), range, idle_since: None }
    }

    pub fn may_change(&self) -> bool {
        self.range.start() < self.range.end()
    }

    /// One more at a time, and one less.
    pub fn wanted(&mut self, waiting: Waiting, busy: bool, now: Instant) -> u16 {
        let many = waiting.jobs > MANY * u64::from(self.now);
        if waiting.jobs > 0 && (waiting.oldest_s > WAITED_LONG || many) {
            self.now = (self.now + 1).min(*self.range.end());
        }
        if waiting.jobs > 0 || busy {
            self.idle_since = None;
            return self.now;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.duration_since(since) >= IDLE {
            self.now = (self.now - 1).max(*self.range.start());
            self.idle_since = Some(now);
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_what_waits_and_shrinks_with_a_minute_of_nothing() {
        let (mut scale, start) = (Scale::new(1..=3), Instant::now());
        let old = Waiting { jobs: 1, oldest_s: 3.0 };
        let young = Waiting { jobs: 3, oldest_s: 0.5 };
        let many = Waiting { jobs: 21, oldest_s: 0.1 };
        assert_eq!(scale.wanted(young, true, start), 1);
        assert_eq!(scale.wanted(old, true, start), 2);
        assert_eq!(scale.wanted(many, true, start), 3);
        assert_eq!(scale.wanted(old, true, start), 3);
        let none = Waiting::default();
        assert_eq!(scale.wanted(none, true, start + IDLE), 3);
        assert_eq!(scale.wanted(none, false, start + IDLE), 3);
        assert_eq!(scale.wanted(none, false, start + IDLE * 2), 2);
        assert_eq!(scale.wanted(none, false, start + IDLE * 3), 1);
        assert_eq!(scale.wanted(none, false, start + IDLE * 9), 1);
    }
}
