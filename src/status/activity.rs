//! The activity of a running step: working, waiting for a lock, or idle, and since when.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The state of a step at one inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Its processes use the CPU.
    UsesCpu,
    /// One of its SQL statements runs.
    RunsStatement,
    /// One of its SQL statements waits for a lock of these sessions.
    WaitsForLock(String),
    /// None of these: it sleeps, or waits for something that cannot be observed.
    Idle,
}

impl StepState {
    /// True if the step makes progress by itself: a wait for a lock and an idle step are no work.
    pub fn is_work(&self) -> bool {
        matches!(self, Self::UsesCpu | Self::RunsStatement)
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsesCpu => f.write_str("computes"),
            Self::RunsStatement => f.write_str("works in the database"),
            Self::WaitsForLock(sessions) => write!(f, "waits for a lock of {sessions}"),
            Self::Idle => f.write_str("neither computes nor asks the database"),
        }
    }
}

/// A step's state and its start. CPU time and statements alternate, so they count as one state.
#[derive(Clone, Debug)]
pub struct Activity {
    pub state: StepState,
    pub since: Instant,
    /// True once the stall was reported.
    is_stalled: bool,
}

/// A change that is logged.
#[derive(Debug, PartialEq, Eq)]
pub enum ActivityChange {
    Stalled,
    Resumed,
}

/// A wait for a lock is reported after this time: short waits are normal.
const LOCK_STALL_AFTER: Duration = Duration::from_secs(2);
const IDLE_STALL_AFTER: Duration = Duration::from_secs(10);

impl Activity {
    pub fn new(now: Instant) -> Self {
        Self { state: StepState::UsesCpu, since: now, is_stalled: false }
    }

    /// Applies the state of one inspection; returns a change that is to be logged.
    pub fn update(&mut self, state: StepState, now: Instant) -> Option<ActivityChange> {
        let was_stalled = self.is_stalled;
        if state != self.state {
            if !(state.is_work() && self.state.is_work()) {
                (self.since, self.is_stalled) = (now, false);
            }
            self.state = state;
        }
        let stall_after = match self.state {
            StepState::WaitsForLock(_) => LOCK_STALL_AFTER,
            StepState::Idle => IDLE_STALL_AFTER,
            StepState::UsesCpu | StepState::RunsStatement => {
                return was_stalled.then_some(ActivityChange::Resumed);
            }
        };
        let stalls_now = !self.is_stalled && now.duration_since(self.since) >= stall_after;
        self.is_stalled |= stalls_now;
        stalls_now.then_some(ActivityChange::Stalled)
    }

    /// True if the step has stalled for so long that it was reported.
    pub fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    pub fn status(&self) -> Value {
        json!({"doing": self.state.to_string(), "for_s": self.since.elapsed().as_secs()})
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} s", self.state, self.since.elapsed().as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_reported_once_and_its_end_too() {
        let begin = Instant::now();
        let at = |s| begin + Duration::from_secs(s);
        let mut activity = Activity::new(begin);
        assert_eq!(activity.update(StepState::RunsStatement, at(1)), None);
        assert_eq!(activity.since, begin, "both kinds of work count as one state");
        let lock = || StepState::WaitsForLock("session 7".into());
        assert_eq!(activity.update(lock(), at(2)), None);
        assert_eq!(activity.update(lock(), at(3)), None);
        assert_eq!(activity.update(lock(), at(4)), Some(ActivityChange::Stalled));
        assert_eq!(activity.update(lock(), at(5)), None);
        assert_eq!(activity.update(StepState::WaitsForLock("session 8".into()), at(9)), None);
        assert_eq!(
            activity.update(StepState::WaitsForLock("session 8".into()), at(11)),
            Some(ActivityChange::Stalled)
        );
        assert_eq!(activity.update(StepState::UsesCpu, at(12)), Some(ActivityChange::Resumed));
        assert_eq!(activity.update(StepState::UsesCpu, at(13)), None);
    }

    #[test]
    fn a_short_idle_time_is_no_stall() {
        let begin = Instant::now();
        let at = |s| begin + Duration::from_secs(s);
        let mut activity = Activity::new(begin);
        assert_eq!(activity.update(StepState::Idle, at(1)), None);
        assert_eq!(activity.update(StepState::Idle, at(10)), None);
        assert_eq!(activity.update(StepState::UsesCpu, at(11)), None);
        assert_eq!(activity.update(StepState::Idle, at(12)), None);
        assert_eq!(activity.update(StepState::Idle, at(22)), Some(ActivityChange::Stalled));
    }
}
