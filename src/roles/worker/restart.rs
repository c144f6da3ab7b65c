//! The restart of all workers after a migration, which is no failure.
//!
//! ```text
//!                 the gate closes           the gate opens                  every pool has a worker
//!   Steady ──────────────────────▶ Paused ─────────────────▶ Restarting ─────────────────────────────▶ Steady
//!                                                                └── REGISTRATION_TIMEOUT: a failure ─────▶
//! ```

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
    },
}

impl Restart {
    /// Follows one check of the role, and marks its problem as planned while the workers restart.
    pub fn follow(&mut self, check: RoleCheck, pause: Option<PauseReason>, now: Instant) -> RoleCheck {
        *self = match (*self, pause) {
            (_, Some(PauseReason::Gate)) => Self::Paused,
            (Self::Paused, None) if check.problem.is_some() => Self::Restarting { since: now },
            (Self::Restarting { since }, None)
                if check.problem.is_some() && now.duration_since(since) < REGISTRATION_TIMEOUT =>
            {
                Self::Restarting { since }
            }
            _ => Self::Steady,
        };
        match self {
            Self::Restarting { .. } => {
                RoleCheck { problem: Some("restarting after a migration".into()), is_planned: true, ..check }
            }
            Self::Steady | Self::Paused => check,
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
