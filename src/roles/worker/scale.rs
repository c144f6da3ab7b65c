//! The number of processes that a pool should have. Pure: the caller passes the time.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// A job that has waited longer than this many seconds calls for another process.
const MAX_WAIT_S: f64 = 2.0;
/// More waiting jobs per process than this call for another process, whatever their age.
const MAX_JOBS_PER_PROCESS: u64 = 10;
/// An idle process is stopped after this time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The jobs that wait in a pool's queues.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    pub jobs: u64,
    /// Age of the oldest of them, in seconds.
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

    /// Returns the new number of processes: at most one more or one fewer.
    pub fn update(&mut self, waiting: Waiting, busy: bool, now: Instant) -> u16 {
        let too_many = waiting.jobs > MAX_JOBS_PER_PROCESS * u64::from(self.now);
        if waiting.jobs > 0 && (waiting.oldest_s > MAX_WAIT_S || too_many) {
            self.now = (self.now + 1).min(*self.range.end());
        }
        if waiting.jobs > 0 || busy {
            self.idle_since = None;
            return self.now;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.duration_since(since) >= IDLE_TIMEOUT {
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
    fn it_grows_with_waiting_jobs_and_shrinks_after_an_idle_minute() {
        let (mut scale, start) = (Scale::new(1..=3), Instant::now());
        let old = Waiting { jobs: 1, oldest_s: 3.0 };
        let young = Waiting { jobs: 3, oldest_s: 0.5 };
        let many = Waiting { jobs: 21, oldest_s: 0.1 };
        assert_eq!(scale.update(young, true, start), 1);
        assert_eq!(scale.update(old, true, start), 2);
        assert_eq!(scale.update(many, true, start), 3);
        assert_eq!(scale.update(old, true, start), 3);
        let none = Waiting::default();
        assert_eq!(scale.update(none, true, start + IDLE_TIMEOUT), 3);
        assert_eq!(scale.update(none, false, start + IDLE_TIMEOUT), 3);
        assert_eq!(scale.update(none, false, start + IDLE_TIMEOUT * 2), 2);
        assert_eq!(scale.update(none, false, start + IDLE_TIMEOUT * 3), 1);
        assert_eq!(scale.update(none, false, start + IDLE_TIMEOUT * 9), 1);
    }
}
