//! How a role is, beside the web role, whose own probe says it.

use std::time::{Duration, Instant};

use super::handle::{Phase, StatusHandle};
use crate::frappe::scheduler_settings::SchedulerState;

/// Whether a role works, as it was seen last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleCheck {
    pub latency: Duration,
    pub problem: Option<String>,
    /// What it does, in words.
    pub note: String,
    /// When it was first seen working; kept by the board.
    pub working_since: Option<Instant>,
}

impl RoleCheck {
    pub fn red(problem: impl Into<String>) -> Self {
        Self { problem: Some(problem.into()), ..Self::default() }
    }
}

/// What only the scheduler has.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerStatus {
    pub leads: bool,
    /// Since the last tick that ended; none where none was seen.
    pub lag: Option<Duration>,
    pub state: SchedulerState,
}

impl StatusHandle {
    /// How a role is; one line in the log for each change, from when it was first seen working.
    pub fn check(&self, role: &'static str, mut check: RoleCheck) {
        let (note, problem) = (check.note.clone(), check.problem.clone());
        let (before, draining) = {
            let mut status = self.lock();
            let before = status.role_checks.get(role).cloned().unwrap_or_default();
            let first = check.problem.is_none().then(Instant::now);
            check.working_since = before.working_since.or(first);
            status.role_checks.insert(role, check);
            (before, status.phase == Phase::Draining)
        };
        let (seen, worked) = (before.working_since.is_some(), before.problem.is_none());
        match problem {
            None if !seen => tracing::info!(role, note, "working"),
            None if !worked => tracing::info!(role, note, "works again"),
            Some(problem) if seen && worked && !draining => tracing::warn!(role, problem, "stopped working"),
            _ => {}
        }
    }
}
