//! The one account of what this process does, written by the pipeline and read by the probes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::activity::Activity;
use super::checks::DeepCheck;
use super::gate::GateStatus;
use super::operation::Operation;
use super::other_sites::OtherSites;
use super::phase::Entered;
pub use super::phase::Phase;
use super::queues::Source;
pub use super::role_check::{RoleCheck, SchedulerStatus};
use crate::supervise::run_service::ServiceStatus;

/// A step without a sign of progress for so long is stuck: it is ended. Where not even that works the process is
/// no longer live.
pub const STUCK_AFTER: Duration = Duration::from_secs(15 * 60);

/// Whatever counts by itself, and has that in `/metrics`: the web port.
pub trait Figures: std::fmt::Debug + Send + Sync {
    fn register(&self, registry: &mut Registry);
}

/// What is known now.
#[derive(Clone, Debug)]
pub struct Status {
    pub role: &'static str,
    pub site: Option<String>,
    pub phase: Phase,
    /// What the phase waits for or does.
    pub operation: Option<Operation>,
    /// What the running step is at.
    pub activity: Option<Activity>,
    pub progress_at: Instant,
    pub phases: Entered,
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
    pub gate: GateStatus,
    /// The last answer of the role's own probe.
    pub role_probe: Option<RoleProbe>,
    /// The same of every other role that runs in this process.
    pub role_checks: BTreeMap<&'static str, RoleCheck>,
    pub scheduler: Option<SchedulerStatus>,
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
pub struct StatusHandle(Arc<Mutex<Status>>);

impl StatusHandle {
    pub fn new(role: &'static str, site: Option<String>) -> Self {
        Self(Arc::new(Mutex::new(Status {
            role,
            site,
            phase: Phase::Starting,
            operation: None,
            activity: None,
            progress_at: Instant::now(),
            phases: Entered::default(),
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
            gate: GateStatus::default(),
            role_probe: None,
            role_checks: BTreeMap::new(),
            scheduler: None,
            queues: None,
            login_page: None,
            children: BTreeMap::new(),
            front: None,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn read(&self) -> Status {
        self.lock().clone()
    }

    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.lock());
    }

    /// A new phase, and what it begins with; both are progress. Who drains serves no more, whatever still comes up
    /// meanwhile.
    pub fn enter(&self, phase: Phase, operation: Option<Operation>) {
        let mut status = self.lock();
        if status.phase == Phase::Draining && phase != Phase::Held {
            return;
        }
        status.phase = phase;
        status.operation = operation;
        status.progress_at = Instant::now();
        status.phases.note(phase, Instant::now());
    }

    /// What the phase does from now on.
    pub fn begin(&self, operation: Operation) {
        self.lock().operation = Some(operation);
    }

    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Publishes the state of a child until its service ends.
    pub fn follow_child(
        &self,
        mut statuses: watch::Receiver<ServiceStatus>,
    ) -> impl Future<Output = ()> + use<> {
        let handle = self.clone();
        async move {
            loop {
                let child = statuses.borrow_and_update().clone();
                handle.update(|status| {
                    status.children.insert(child.name.clone(), child);
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

impl Status {
    /// The operation in words; nothing where the phase says it all.
    pub fn detail(&self) -> String {
        self.operation.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// What is done, and what keeps it waiting.
    pub fn doing(&self) -> String {
        self.with_standstill(self.detail())
    }

    /// How far the running step is, and what keeps it waiting.
    pub fn step_progress(&self) -> String {
        let progress = match &self.operation {
            Some(Operation::RunningStep { progress: Some(progress), .. }) => progress.to_string(),
            _ => String::new(),
        };
        self.with_standstill(progress)
    }

    fn with_standstill(&self, text: String) -> String {
        match self.activity.as_ref().filter(|activity| activity.stands_still()) {
            Some(activity) => format!("{text}; {activity}"),
            None => text,
        }
    }
}
