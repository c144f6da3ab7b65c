//! The restart of all workers after a migration, which is no failure.
//!
//! ```text
//!                 the gate closes           the gate opens                  every pool has a worker again
//!   Steady ──────────────────────▶ Paused ─────────────────▶ Restarting ───────────────────────────────────▶ Steady
//!                                                                └── REGISTRATION_TIMEOUT: then a failure is one ──▶
//! ```
//!
//! The former workers may end after the gate has opened, so a check that finds them does not end the restart.

use std::time::Instant;

use super::verdict::{PauseReason, REGISTRATION_TIMEOUT};
use crate::status::handle::RoleCheck;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    #[default]
    Steady,
    Paused,
    Restarting {
        since: Instant,
        /// A pool was without a worker since then.
        were_gone: bool,
    },
}

impl Restart {
    /// Follows one check of the role, and marks its problem as planned while the workers restart.
    pub fn follow(&mut self, check: RoleCheck, pause: Option<PauseReason>, now: Instant) -> RoleCheck {
        let is_gone = check.problem.is_some();
        *self = match (*self, pause) {
            (_, Some(PauseReason::Gate)) => Self::Paused,
            (Self::Paused, None) => Self::Restarting { since: now, were_gone: is_gone },
            (Self::Restarting { since, were_gone }, None)
                if (is_gone || !were_gone) && now.duration_since(since) < REGISTRATION_TIMEOUT =>
            {
                Self::Restarting { since, were_gone: is_gone || were_gone }
            }
            _ => Self::Steady,
        };
        match self {
            Self::Restarting { .. } if is_gone => {
                RoleCheck { problem: Some("restarting after a migration".into()), is_planned: true, ..check }
            }
            _ => check,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GATE: Option<PauseReason> = Some(PauseReason::Gate);

    #[test]
    fn only_the_restart_after_a_pause_is_planned() {
        let (mut restart, now) = (Restart::default(), Instant::now());
        let without = || RoleCheck::failed("no worker");
        let mut planned = |check: RoleCheck, pause, after_s| {
            restart.follow(check, pause, now + Duration::from_secs(after_s)).is_planned
        };
        assert!(!planned(without(), None, 0), "no migration ran");
        assert!(!planned(RoleCheck::default(), GATE, 1));
        assert!(planned(without(), None, 100));
        assert!(planned(without(), None, 159));
        assert!(!planned(RoleCheck::default(), None, 159), "it works");
        assert!(!planned(without(), None, 159), "the next failure is one");
    }

    #[test]
    fn workers_that_end_after_the_pause_are_restarting() {
        let (mut restart, now) = (Restart::Paused, Instant::now());
        let mut check = |check: RoleCheck| restart.follow(check, None, now);
        assert_eq!(check(RoleCheck::default()).problem, None, "the former ones");
        assert!(check(RoleCheck::failed("no worker")).is_planned);
        assert_eq!(check(RoleCheck::default()).problem, None);
        assert!(!check(RoleCheck::failed("no worker")).is_planned, "the next failure is one");
    }

    #[test]
    fn workers_that_do_not_come_back_are_a_failure() {
        let (mut restart, now) = (Restart::Paused, Instant::now());
        let check =
            |restart: &mut Restart, after| restart.follow(RoleCheck::failed("no worker"), None, now + after);
        assert!(check(&mut restart, Duration::ZERO).is_planned);
        let late = check(&mut restart, REGISTRATION_TIMEOUT);
        assert_eq!((late.is_planned, late.problem.as_deref()), (false, Some("no worker")));
        assert!(!check(&mut restart, REGISTRATION_TIMEOUT * 2).is_planned);
    }
}
