//! What a running step is at: whether it works, waits, or hangs, and since when.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What was seen of a step in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Its processes use the CPU.
    Computes,
    /// A statement of its runs.
    Queries,
    /// A statement of its waits for a lock of these sessions.
    Waits(String),
    /// None of these: it sleeps, or waits for something that nobody sees.
    Nothing,
}

impl Doing {
    /// Somebody else's lock, or nobody knows what: neither is work.
    pub fn is_work(&self) -> bool {
        matches!(self, Self::Computes | Self::Queries)
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Computes => f.write_str("computes"),
            Self::Queries => f.write_str("works in the database"),
            Self::Waits(whom) => write!(f, "waits for a lock of {whom}"),
            Self::Nothing => f.write_str("neither computes nor asks the database"),
        }
    }
}

/// The same, and since when. Computing and asking the database take turns: they count as one.
#[derive(Clone, Debug)]
pub struct Activity {
    pub doing: Doing,
    pub since: Instant,
    /// It was told that it stands still.
    told: bool,
}

/// What is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    StandsStill,
    GoesOn,
}

/// A lock that is held for a moment is nobody's business.
const LOCK_IS_TOLD_AFTER: Duration = Duration::from_secs(2);
const NOTHING_IS_TOLD_AFTER: Duration = Duration::from_secs(10);

impl Activity {
    pub fn new(now: Instant) -> Self {
        Self { doing: Doing::Computes, since: now, told: false }
    }

    /// One more look.
    pub fn see(&mut self, doing: Doing, now: Instant) -> Option<News> {
        let was_told = self.told;
        if doing != self.doing {
            if !(doing.is_work() && self.doing.is_work()) {
                (self.since, self.told) = (now, false);
            }
            self.doing = doing;
        }
        let after = match self.doing {
            Doing::Waits(_) => LOCK_IS_TOLD_AFTER,
            Doing::Nothing => NOTHING_IS_TOLD_AFTER,
            Doing::Computes | Doing::Queries => return was_told.then_some(News::GoesOn),
        };
        let is_news = !self.told && now.duration_since(self.since) >= after;
        self.told |= is_news;
        is_news.then_some(News::StandsStill)
    }

    /// For so long that it was told.
    pub fn stands_still(&self) -> bool {
        self.told
    }

    pub fn status(&self) -> Value {
        json!({"doing": self.doing.to_string(), "for_s": self.since.elapsed().as_secs()})
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} s", self.doing, self.since.elapsed().as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stands_still_is_told_once_and_again_when_it_goes_on() {
        let begin = Instant::now();
        let at = |s| begin + Duration::from_secs(s);
        let mut activity = Activity::new(begin);
        assert_eq!(activity.see(Doing::Queries, at(1)), None);
        assert_eq!(activity.since, begin, "work of one kind or the other");
        let lock = || Doing::Waits("session 7".into());
        assert_eq!(activity.see(lock(), at(2)), None);
        assert_eq!(activity.see(lock(), at(3)), None);
        assert_eq!(activity.see(lock(), at(4)), Some(News::StandsStill));
        assert_eq!(activity.see(lock(), at(5)), None);
        assert_eq!(activity.see(Doing::Waits("session 8".into()), at(9)), None);
        assert_eq!(activity.see(Doing::Waits("session 8".into()), at(11)), Some(News::StandsStill));
        assert_eq!(activity.see(Doing::Computes, at(12)), Some(News::GoesOn));
        assert_eq!(activity.see(Doing::Computes, at(13)), None);
    }

    #[test]
    fn a_pause_is_no_standstill() {
        let begin = Instant::now();
        let at = |s| begin + Duration::from_secs(s);
        let mut activity = Activity::new(begin);
        assert_eq!(activity.see(Doing::Nothing, at(1)), None);
        assert_eq!(activity.see(Doing::Nothing, at(10)), None);
        assert_eq!(activity.see(Doing::Computes, at(11)), None);
        assert_eq!(activity.see(Doing::Nothing, at(12)), None);
        assert_eq!(activity.see(Doing::Nothing, at(22)), Some(News::StandsStill));
    }
}
