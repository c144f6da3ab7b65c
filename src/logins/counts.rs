//! Counts of failed logins for one kind of key, in a bounded table.
//!
//! A count ends one window after its first failure. If the table is full, ended counts go first, then the quarter with
//! the fewest failures. So a flood of new keys cannot remove a key that has reached the limit, unless it has as many
//! failures for each of its own keys.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::login_limit::LoginLimit;

/// Fills a hash table of 32,768 places: about 1 MiB.
pub const MAX_KEYS: usize = 28_672;

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    /// Logins without an answer yet.
    pending: u32,
    /// The first failure, or the first pending login.
    since: Instant,
}

/// Whether one more login may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Free,
    /// The limit is reached if all pending logins fail.
    Pending,
    /// The limit is reached, for this time.
    Reached(Duration),
}

#[derive(Debug)]
pub struct Counts {
    counts: HashMap<u64, Count>,
    limit: LoginLimit,
    max_keys: usize,
}

impl Counts {
    pub fn new(limit: LoginLimit, max_keys: usize) -> Self {
        Self { counts: HashMap::new(), limit, max_keys }
    }

    pub fn room(&self, key: u64, now: Instant) -> Room {
        let Some(count) = self.counts.get(&key) else { return Room::Free };
        let age = now.duration_since(count.since);
        let failures = if age < self.limit.window { count.failures } else { 0 };
        if failures >= self.limit.failures {
            Room::Reached(self.limit.window - age)
        } else if failures + count.pending >= self.limit.failures {
            Room::Pending
        } else {
            Room::Free
        }
    }

    pub fn begin(&mut self, key: u64, now: Instant) {
        self.count(key, now).pending += 1;
    }

    /// Ends a pending login that has no result.
    pub fn end(&mut self, key: u64) {
        if let Some(count) = self.counts.get_mut(&key) {
            count.pending = count.pending.saturating_sub(1);
            if (count.failures, count.pending) == (0, 0) {
                self.counts.remove(&key);
            }
        }
    }

    pub fn fail(&mut self, key: u64, now: Instant) {
        let window = self.limit.window;
        let count = self.count(key, now);
        if count.failures == 0 || now.duration_since(count.since) >= window {
            (count.failures, count.since) = (0, now);
        }
        count.failures = count.failures.saturating_add(1);
    }

    /// Removes a count. Returns its failures, and the time of the first one.
    pub fn remove(&mut self, key: u64, now: Instant) -> Option<(u32, Instant)> {
        let count = self.counts.remove(&key)?;
        (now.duration_since(count.since) < self.limit.window).then_some((count.failures, count.since))
    }

    /// Subtracts failures, if all of them belong to the current window of the key.
    pub fn forgive(&mut self, key: u64, failures: u32, since: Instant) {
        if let Some(count) = self.counts.get_mut(&key)
            && count.since <= since
        {
            count.failures = count.failures.saturating_sub(failures);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    fn count(&mut self, key: u64, now: Instant) -> &mut Count {
        if self.counts.len() >= self.max_keys && !self.counts.contains_key(&key) {
            self.make_room(now);
        }
        self.counts.entry(key).or_insert(Count { failures: 0, pending: 0, since: now })
    }

    fn make_room(&mut self, now: Instant) {
        let window = self.limit.window;
        self.counts.retain(|_, count| count.pending > 0 || now.duration_since(count.since) < window);
        let kept = self.max_keys - self.max_keys / 4;
        let mut ranks: Vec<_> = self
            .counts
            .iter()
            .filter(|(_, count)| count.pending == 0)
            .map(|(key, count)| (count.failures, count.since, *key))
            .collect();
        ranks.sort_unstable();
        let excess = self.counts.len().saturating_sub(kept);
        for (.., key) in ranks.into_iter().take(excess) {
            self.counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: LoginLimit = LoginLimit { failures: 3, window: Duration::from_secs(60) };

    #[test]
    fn a_flood_of_keys_keeps_the_memory_bounded_and_removes_no_reached_limit() {
        let (mut counts, now) = (Counts::new(LIMIT, MAX_KEYS), Instant::now());
        let victim = u64::MAX;
        counts.begin(victim - 1, now);
        for _ in 0..LIMIT.failures {
            counts.fail(victim, now);
        }
        for key in 0..100_000 {
            counts.fail(key, now + Duration::from_secs(1));
            assert!(counts.len() <= MAX_KEYS);
        }
        assert_eq!(counts.room(victim, now), Room::Reached(LIMIT.window));
        assert!(counts.counts.contains_key(&(victim - 1)), "a pending login was removed");
    }
}
