//! The checks of the roles other than web, which has a probe instead.

use std::time::{Duration, Instant};

use super::handle::{Phase, RoleName, StatusHandle};
use crate::frappe::scheduler_settings::SchedulerState;

/// The last result of a role's check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleCheck {
    pub latency: Duration,
    pub problem: Option<String>,
    /// True if the role stands still on purpose: its problem is no failure.
    pub is_planned: bool,
    /// The role's activity as text.
    pub note: String,
    /// The time of the first successful check; set by `StatusHandle::check`.
    pub working_since: Option<Instant>,
}

impl RoleCheck {
    pub fn failed(problem: impl Into<String>) -> Self {
        Self { problem: Some(problem.into()), ..Self::default() }
    }
}

/// The additional status of the scheduler.
#[derive(Clone, Debug, PartialEq)]
pub struct SchedulerStatus {
    pub leads: bool,
    /// The time since the last completed tick; None before the first one.
    pub lag: Option<Duration>,
    pub state: SchedulerState,
}

impl StatusHandle {
    /// Sets the check of a role, and logs each change after the first success.
    pub fn check(&self, role: RoleName, mut check: RoleCheck) {
        let (note, problem, is_planned) = (check.note.clone(), check.problem.clone(), check.is_planned);
        let (before, draining) = {
            let mut status = self.lock();
            let before = status.role_checks.get(&role).cloned().unwrap_or_default();
            let now = check.problem.is_none().then(Instant::now);
            check.working_since = before.working_since.or(now);
            status.role_checks.insert(role, check);
            (before, status.phase == Phase::Draining)
        };
        let (has_worked, worked_before) = (before.working_since.is_some(), before.problem.is_none());
        let has_failed = !worked_before && !before.is_planned;
        let role = role.as_str();
        match problem {
            None if !has_worked => tracing::info!(event = "health.role_working", role, note, "role works"),
            None if !worked_before => {
                tracing::info!(event = "health.role_recovered", role, note, "role works again");
            }
            Some(problem) if has_worked && !has_failed && !is_planned && !draining => {
                tracing::warn!(event = "health.role_failed", role, problem, "role stopped working");
            }
            _ => {}
        }
    }
}
