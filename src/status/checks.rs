//! The checks of the probes `/livez`, `/startupz` and `/readyz`, derived from the status.

use std::pin::Pin;

use super::handle::{STUCK_AFTER, Status};
use super::phase::Phase;
use super::role_name::RoleName;

/// The subject of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckName {
    /// The event loop runs.
    Loop,
    /// The bootstrap makes progress.
    Progress,
    Step,
    Phase,
    /// The installed apps can be imported in this pod.
    Apps,
    Gate,
    /// The one role of this process.
    Role,
    /// One of several roles in this process.
    RoleOf(RoleName),
    /// The deep check of the login page.
    LoginPage,
}

impl CheckName {
    /// The name in the answer to a probe.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Progress => "progress",
            Self::Step => "step",
            Self::Phase => "phase",
            Self::Apps => "apps",
            Self::Gate => "gate",
            Self::Role => "role",
            Self::RoleOf(role) => role.as_str(),
            Self::LoginPage => "login page",
        }
    }
}

/// One check of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: CheckName,
    /// The reason for a failure; None if the check passed.
    pub problem: Option<String>,
    /// Further information on a check that passed.
    pub note: String,
}

impl Check {
    pub fn new(name: CheckName, problem: Option<String>) -> Self {
        Self { name, problem, note: String::new() }
    }
}

/// An expensive check, made only if a probe requests it (`?deep`).
pub trait DeepCheck: std::fmt::Debug + Send + Sync {
    fn check(&self) -> Pin<Box<dyn Future<Output = Check> + Send + '_>>;
}

impl Status {
    /// The checks of `/livez`; they never depend on anything outside this process. The health port adds
    /// [`CheckName::Loop`] to the checks of every probe.
    pub fn live(&self) -> Vec<Check> {
        let silent = self.progress_at.elapsed();
        let is_stuck = self.phase == Phase::Bootstrapping && silent > STUCK_AFTER;
        let problem =
            is_stuck.then(|| format!("{}: no progress for {} min", self.detail(), silent.as_secs() / 60));
        vec![Check::new(CheckName::Progress, problem)]
    }

    /// The checks of `/startupz`: the supervisor runs and its step makes progress, however long it takes.
    pub fn started(&self) -> Vec<Check> {
        let problem = (self.phase == Phase::FailedHeld).then(|| self.last_error.clone().unwrap_or_default());
        let mut checks = self.live();
        checks.push(Check::new(CheckName::Step, problem));
        checks
    }

    /// The checks of `/readyz`: this pod should get requests.
    pub fn ready(&self) -> Vec<Check> {
        let mut checks = vec![Check::new(CheckName::Phase, self.phase_problem())];
        if !self.missing_apps.is_empty() {
            let apps = self.missing_apps.join(", ");
            let problem = format!("installed on the site and not importable in this pod: {apps}");
            checks.push(Check::new(CheckName::Apps, Some(problem)));
        }
        if self.gate.problem.is_some() {
            checks.push(Check::new(CheckName::Gate, self.gate.problem.clone()));
        }
        checks.extend(self.roles().into_iter().map(|(_, check)| check));
        checks
    }

    /// The roles of this process, each with its check.
    pub fn roles(&self) -> Vec<(RoleName, Check)> {
        let all = self.role == RoleName::All;
        let name = |role: RoleName| if all { CheckName::RoleOf(role) } else { CheckName::Role };
        let mut roles = Vec::new();
        if self.role == RoleName::Web || all {
            let note = self.gate.running.as_ref().map(ToString::to_string).unwrap_or_default();
            let check = Check { name: name(RoleName::Web), problem: self.web_problem(), note };
            roles.push((RoleName::Web, check));
        }
        for (&role, last) in &self.role_checks {
            let problem = last.problem.clone().filter(|_| self.phase == Phase::Serving);
            roles.push((role, Check { name: name(role), problem, note: last.note.clone() }));
        }
        roles
    }

    fn phase_problem(&self) -> Option<String> {
        match self.phase {
            Phase::Serving => None,
            Phase::FailedHeld => Some(format!("held after: {}", self.last_error.clone().unwrap_or_default())),
            phase => Some(match self.detail() {
                detail if detail.is_empty() => phase.in_words().to_string(),
                detail => format!("{}: {detail}", phase.in_words()),
            }),
        }
    }

    fn web_problem(&self) -> Option<String> {
        // The site answers 503 while our own migration runs, which is no failure.
        let migrates = self.gate.running.is_some();
        match &self.role_probe {
            _ if self.phase != Phase::Serving => None,
            Some(_) if migrates => None,
            None => Some("web was not seen working yet".to_string()),
            Some(probe) => probe.problem.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::deps::missing::{Missing, MissingDependency};
    use crate::status::handle::{RoleProbe, StatusHandle};
    use crate::status::operation::{Operation, StepName};

    fn problems(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter_map(|check| check.problem.as_deref()).collect()
    }

    #[test]
    fn a_waiting_process_is_live_and_a_working_role_makes_it_ready() {
        let status = StatusHandle::new(RoleName::Web, None);
        status.enter(Phase::WaitingForDependencies, None);
        assert_eq!(problems(&status.read().ready()), ["waiting for dependencies"]);
        let postgres = MissingDependency { name: "postgres", target: "db:5432".into(), error: None };
        status.begin(Operation::WaitingForDependencies(Missing(vec![postgres])));
        let waiting = status.read();
        assert!(problems(&waiting.live()).is_empty());
        assert_eq!(problems(&waiting.ready()), ["waiting for dependencies: postgres at db:5432: no answer"]);
        status.enter(Phase::Serving, None);
        assert_eq!(problems(&status.read().ready()), ["web was not seen working yet"]);
        let probe = RoleProbe { latency: Duration::ZERO, problem: None };
        status.update(|status| status.role_probe = Some(probe));
        assert!(problems(&status.read().ready()).is_empty());
        status.enter(Phase::Draining, None);
        assert_eq!(problems(&status.read().ready()), ["draining"]);
        status.enter(Phase::Serving, None);
        assert_eq!(problems(&status.read().ready()), ["draining"]);
    }

    #[test]
    fn a_silent_bootstrap_is_stuck_and_a_silent_service_is_not() {
        let status = StatusHandle::new(RoleName::Web, None);
        let step = Operation::RunningStep { name: StepName::NewSite, progress: None };
        status.enter(Phase::Bootstrapping, Some(step));
        let long_ago = Instant::now().checked_sub(STUCK_AFTER + Duration::from_secs(61)).unwrap();
        status.update(|status| status.progress_at = long_ago);
        assert_eq!(problems(&status.read().live()), ["new-site: no progress for 16 min"]);
        status.update(|status| status.phase = Phase::Serving);
        assert!(problems(&status.read().live()).is_empty());
    }

    #[test]
    fn one_of_several_roles_is_named_in_its_check() {
        let names = |role: RoleName| -> Vec<&str> {
            let checks = StatusHandle::new(role, None).read().ready();
            checks.into_iter().map(|check| check.name.as_str()).collect()
        };
        assert_eq!(names(RoleName::Web), ["phase", "role"]);
        assert_eq!(names(RoleName::All), ["phase", "web"]);
        assert_eq!(names(RoleName::Bootstrap), ["phase"]);
    }
}
