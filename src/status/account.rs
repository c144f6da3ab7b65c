//! The one account of what this process does, written by the pipeline and read by the probes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::activity::Activity;
use super::gate::GateAccount;
use super::other_sites::OtherSites;
use super::queues::Source;
pub use super::role_check::{RoleCheck, SchedulerAccount};
use crate::supervise::run_service::ServiceStatus;

/// A step without a sign of progress for so long is stuck: it is ended. Where not even that works the process is
/// no longer live.
pub const STUCK_AFTER: Duration = Duration::from_secs(15 * 60);

/// The roles whose readiness is the answer of a web server.
const WEB: &str = "web";
const ALL: &str = "all";
/// Checks that are no role's.
const PHASE: &str = "phase";
const APPS: &str = "apps";

/// Where the pipeline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    WaitingForDependencies,
    Bootstrapping,
    Serving,
    /// Somebody took the site's database away for a while (`exec -- bench restore`).
    OnHold,
    Draining,
    /// Something failed and CAULDRON_ON_FAILURE=hold keeps the process up.
    Held,
}

pub const PHASES: [Phase; 7] = [
    Phase::Starting,
    Phase::WaitingForDependencies,
    Phase::Bootstrapping,
    Phase::Serving,
    Phase::OnHold,
    Phase::Draining,
    Phase::Held,
];

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::WaitingForDependencies => "waiting_for_dependencies",
            Self::Bootstrapping => "bootstrapping",
            Self::Serving => "serving",
            Self::OnHold => "on_hold",
            Self::Draining => "draining",
            Self::Held => "held",
        }
    }
}

/// One thing that a probe looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    /// Why it is red; none where it is green.
    pub problem: Option<String>,
    /// What is worth knowing although it is green.
    pub note: String,
}

impl Check {
    fn new(name: &'static str, problem: Option<String>) -> Self {
        Self { name, problem, note: String::new() }
    }
}

/// A check that costs something: made only when a probe asks for it (`?deep`).
pub trait DeepCheck: std::fmt::Debug + Send + Sync {
    fn check(&self) -> Pin<Box<dyn Future<Output = Check> + Send + '_>>;
}

/// Whatever counts by itself, and has that in `/metrics`: the web port.
pub trait Figures: std::fmt::Debug + Send + Sync {
    fn register(&self, registry: &mut Registry);
}

/// What is known now.
#[derive(Clone, Debug)]
pub struct Account {
    pub role: &'static str,
    pub site: Option<String>,
    pub phase: Phase,
    /// What the phase waits for or does, in words.
    pub detail: String,
    /// What the running step is at.
    pub activity: Option<Activity>,
    pub progress_at: Instant,
    /// The phases in the order in which they were entered, each once.
    pub phases: Vec<(Phase, Instant)>,
    pub attempt: Option<String>,
    pub holder: Option<String>,
    pub last_error: Option<String>,
    /// The installation that the site is a copy of: mails muted, scheduler paused.
    pub copy_of: Option<String>,
    /// Another installation that uses our queue Redis.
    pub queue_of: Option<String>,
    /// Jobs that our workers left to others, because their site is not here.
    pub foreign_jobs: u64,
    /// Installed apps that cannot be imported in this pod.
    pub missing_apps: Vec<String>,
    pub other_sites: OtherSites,
    /// Where this pod's short-lived files are.
    pub runtime_dir: Option<PathBuf>,
    pub dependencies_wait: Option<Duration>,
    pub gate: GateAccount,
    /// The last answer of the role's own probe.
    pub role_probe: Option<RoleProbe>,
    /// The same of every other role that runs in this process.
    pub role_checks: BTreeMap<&'static str, RoleCheck>,
    pub scheduler: Option<SchedulerAccount>,
    /// Where the figures of the queues are asked for; none where no worker runs.
    pub queues: Option<Source>,
    /// What a deep check looks at; none where no web role runs.
    pub login_page: Option<Arc<dyn DeepCheck>>,
    pub children: BTreeMap<String, ServiceStatus>,
    /// What the web port counts; none where a role has none.
    pub front: Option<Arc<dyn Figures>>,
}

/// What the role answered when it was asked whether it works.
#[derive(Clone, Debug)]
pub struct RoleProbe {
    pub latency: Duration,
    pub problem: Option<String>,
}

/// A handle on the account.
#[derive(Clone, Debug)]
pub struct Board(Arc<Mutex<Account>>);

impl Board {
    pub fn new(role: &'static str, site: Option<String>) -> Self {
        Self(Arc::new(Mutex::new(Account {
            role,
            site,
            phase: Phase::Starting,
            detail: String::new(),
            activity: None,
            progress_at: Instant::now(),
            phases: Vec::new(),
            attempt: None,
            holder: None,
            last_error: None,
            copy_of: None,
            queue_of: None,
            foreign_jobs: 0,
            missing_apps: Vec::new(),
            other_sites: OtherSites::default(),
            runtime_dir: None,
            dependencies_wait: None,
            gate: GateAccount::default(),
            role_probe: None,
            role_checks: BTreeMap::new(),
            scheduler: None,
            queues: None,
            login_page: None,
            children: BTreeMap::new(),
            front: None,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Account> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn read(&self) -> Account {
        self.lock().clone()
    }

    pub fn update(&self, change: impl FnOnce(&mut Account)) {
        change(&mut self.lock());
    }

    /// A new phase, or a new thing that the phase does; both are progress. Who drains serves no
    /// more, whatever still comes up meanwhile.
    pub fn enter(&self, phase: Phase, detail: impl Into<String>) {
        let mut account = self.lock();
        if account.phase == Phase::Draining && phase != Phase::Held {
            return;
        }
        account.phase = phase;
        account.detail = detail.into();
        account.progress_at = Instant::now();
        if account.phases.iter().all(|(entered, _)| *entered != phase) {
            account.phases.push((phase, Instant::now()));
        }
    }

    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Keeps the account of a child up to date until its service is over.
    pub fn follow_child(
        &self,
        mut statuses: watch::Receiver<ServiceStatus>,
    ) -> impl Future<Output = ()> + use<> {
        let board = self.clone();
        async move {
            loop {
                let status = statuses.borrow_and_update().clone();
                board.update(|account| {
                    account.children.insert(status.name.clone(), status);
                });
                if statuses.changed().await.is_err() {
                    return;
                }
            }
        }
    }

    /// A sign of progress of the running step.
    pub fn progress(&self) {
        self.lock().progress_at = Instant::now();
    }
}

impl Account {
    /// What is done, and what keeps it waiting.
    pub fn doing(&self) -> String {
        match self.activity.as_ref().filter(|activity| activity.stands_still()) {
            Some(activity) => format!("{}; {activity}", self.detail),
            None => self.detail.clone(),
        }
    }

    /// `/livez`: never depends on anything outside this process.
    pub fn live(&self) -> Vec<Check> {
        let silent = self.progress_at.elapsed();
        let stuck = matches!(self.phase, Phase::Bootstrapping) && silent > STUCK_AFTER;
        let problem =
            stuck.then(|| format!("{}: no progress for {} min", self.detail, silent.as_secs() / 60));
        vec![Check::new("loop", None), Check::new("progress", problem)]
    }

    /// `/startupz`: the supervisor runs and its step makes progress, however long that takes.
    pub fn started(&self) -> Vec<Check> {
        let problem = (self.phase == Phase::Held).then(|| self.last_error.clone().unwrap_or_default());
        let mut checks = self.live();
        checks.push(Check::new("step", problem));
        checks
    }

    /// `/readyz`: this pod should get requests.
    pub fn ready(&self) -> Vec<Check> {
        let phase_problem = match self.phase {
            Phase::Serving => None,
            Phase::Held => Some(format!("held after: {}", self.last_error.clone().unwrap_or_default())),
            phase if self.detail.is_empty() => Some(phase.name().replace('_', " ")),
            phase => Some(format!("{}: {}", phase.name().replace('_', " "), self.detail)),
        };
        let mut checks = vec![Check::new(PHASE, phase_problem)];
        if !self.missing_apps.is_empty() {
            let apps = self.missing_apps.join(", ");
            let problem = format!("installed on the site and not importable in this pod: {apps}");
            checks.push(Check::new(APPS, Some(problem)));
        }
        if self.gate.problem.is_some() {
            checks.push(Check::new("gate", self.gate.problem.clone()));
        }
        let all = self.role == ALL;
        if self.role == WEB || all {
            // While our own migration runs the site answers 503, as it should.
            let migrates = self.gate.running.is_some();
            let problem = match &self.role_probe {
                _ if self.phase != Phase::Serving => None,
                Some(_) if migrates => None,
                None => Some(format!("{WEB} was not seen working yet")),
                Some(probe) => probe.problem.clone(),
            };
            let note = self.gate.running.as_ref().map(ToString::to_string).unwrap_or_default();
            checks.push(Check { name: if all { WEB } else { "role" }, problem, note });
        }
        for (name, check) in &self.role_checks {
            let problem = check.problem.clone().filter(|_| self.phase == Phase::Serving);
            checks.push(Check { name: if all { name } else { "role" }, problem, note: check.note.clone() });
        }
        checks
    }

    /// `/status`: the whole account.
    pub fn status(&self) -> Value {
        let problems: Vec<String> = self.ready().into_iter().filter_map(|check| check.problem).collect();
        let children: Vec<Value> = self
            .children
            .values()
            .map(|child| {
                json!({
                    "name": child.name, "pid": child.pid, "state": child.state,
                    "restarts": child.restarts, "restart_reasons": child.restart_reasons,
                    "last_exit": child.last_exit.map(|exit| exit.to_string()),
                })
            })
            .collect();
        let roles: serde_json::Map<String, Value> = self
            .ready()
            .into_iter()
            .filter(|check| ![PHASE, APPS, "gate"].contains(&check.name))
            .map(|check| {
                let name = if check.name == "role" { self.role } else { check.name };
                (
                    name.to_string(),
                    json!({"ready": check.problem.is_none(), "problem": check.problem, "note": check.note}),
                )
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "role": self.role,
            "pid": std::process::id(),
            "site": self.site,
            "runtime_dir": self.runtime_dir,
            "phase": self.phase.name(),
            "ready": problems.is_empty(),
            "reasons": problems,
            "bootstrap": {
                "state": self.detail, "attempt": self.attempt, "holder": self.holder, "last_error": self.last_error,
                "copy_of": self.copy_of, "queue_of": self.queue_of,
                "activity": self.activity.as_ref().map(Activity::status),
            },
            "fingerprint": self.gate.fingerprint(),
            "gate": self.gate.status(),
            "other_sites": self.other_sites.status(),
            "roles": roles,
            "children": children,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter_map(|check| check.problem.as_deref()).collect()
    }

    #[test]
    fn live_while_it_waits_and_ready_only_when_the_role_was_seen_working() {
        let board = Board::new("web", None);
        board.enter(Phase::WaitingForDependencies, "postgres: refused");
        let account = board.read();
        assert!(problems(&account.live()).is_empty());
        assert_eq!(problems(&account.ready()), ["waiting for dependencies: postgres: refused"]);
        board.enter(Phase::Serving, "");
        assert_eq!(problems(&board.read().ready()), ["web was not seen working yet"]);
        let seen = RoleProbe { latency: Duration::ZERO, problem: None };
        board.update(|account| account.role_probe = Some(seen));
        assert!(problems(&board.read().ready()).is_empty());
        board.enter(Phase::Draining, "");
        assert_eq!(problems(&board.read().ready()), ["draining"]);
        board.enter(Phase::Serving, "");
        assert_eq!(problems(&board.read().ready()), ["draining"]);
    }

    #[test]
    fn a_silent_bootstrap_is_stuck_and_a_silent_service_is_not() {
        let board = Board::new("web", None);
        board.enter(Phase::Bootstrapping, "new-site");
        let long_ago = Instant::now().checked_sub(STUCK_AFTER + Duration::from_secs(61)).unwrap();
        board.update(|account| account.progress_at = long_ago);
        assert_eq!(problems(&board.read().live()), ["new-site: no progress for 16 min"]);
        board.update(|account| account.phase = Phase::Serving);
        assert!(problems(&board.read().live()).is_empty());
    }
}
