//! The policy of a service: restarts, limits and times.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Restart the program after an unexpected end.
    pub restart: bool,
    /// The delay between the request to stop and TERM.
    pub drain: Duration,
    /// The grace period: the time from TERM to KILL.
    pub grace: Duration,
    /// The number of unexpected ends within `window` that is a crash loop.
    pub budget: usize,
    pub window: Duration,
    /// The run time after which the back-off starts again from zero.
    pub stable_after: Duration,
    /// The exit code by which a program reports that it has finished its work and wants to be restarted.
    pub done_code: Option<i32>,
}

impl Policy {
    /// Restarts the program, up to 5 ends in 60 s, without a drain delay.
    pub fn restarting(grace: Duration) -> Self {
        Self { restart: true, ..Self::once(grace) }
    }

    /// Does not restart the program.
    pub fn once(grace: Duration) -> Self {
        let minute = Duration::from_secs(60);
        Self {
            restart: false,
            drain: Duration::ZERO,
            grace,
            budget: 5,
            window: minute,
            stable_after: minute,
            done_code: None,
        }
    }
}
