//! The status of this process, shared by its writers (commands, roles) and its readers (the probes).

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
pub use super::phase::Phase;
use super::phase::PhaseTimes;
use super::queues::Source;
pub use super::role_check::{RoleCheck, SchedulerStatus};
pub use super::role_name::RoleName;
use crate::record::last_verified::LastVerified;
use crate::record::volume::LastBackup;
use crate::supervise::run_service::ServiceStatus;

/// A step without a sign of progress for this time is stuck and is ended. If ending it fails, the process is no
/// longer live.
pub const STUCK_AFTER: Duration = Duration::from_secs(15 * 60);

/// A component that registers its own metrics: the web port.
pub trait MetricsSource: std::fmt::Debug + Send + Sync {
    fn register(&self, registry: &mut Registry);
}

/// The status at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    pub role: RoleName,
    pub site: Option<String>,
    pub phase: Phase,
    /// The current operation within the phase.
    pub operation: Option<Operation>,
    /// The activity of the running step.
    pub activity: Option<Activity>,
    pub progress_at: Instant,
    pub phases: PhaseTimes,
    pub attempt: Option<String>,
    pub holder: Option<String>,
    pub last_error: Option<String>,
    /// The installation that the site is a copy of: mail is muted and the scheduler paused.
    pub copy_of: Option<String>,
    /// Another installation that uses our queue Redis.
    pub queue_of: Option<String>,
    /// The number of jobs that our workers parked or left in the queue because their site is not here.
    pub foreign_jobs: u64,
    /// The number of parked jobs by site (docs/frappe-jobs.md#parked-jobs), as the worker role saw it last.
    pub parked_jobs: BTreeMap<String, u64>,
    /// Installed apps that cannot be imported in this pod.
    pub missing_apps: Vec<String>,
    pub other_sites: OtherSites,
    /// The folder of this pod's short-lived files.
    pub runtime_dir: Option<PathBuf>,
    pub dependencies_wait: Option<Duration>,
    pub gate: GateStatus,
    /// The last backup of the site.
    pub last_backup: Option<LastBackup>,
    /// The last verification of a backup of it.
    pub last_verified: Option<LastVerified>,
    /// The last probe of the web role.
    pub role_probe: Option<RoleProbe>,
    /// True from repeated ends of the web role's process until it answers a probe.
    pub web_keeps_failing: bool,
    /// The last check of every other role in this process.
    pub role_checks: BTreeMap<RoleName, RoleCheck>,
    pub scheduler: Option<SchedulerStatus>,
    /// The source of the queue metrics; None if no worker runs.
    pub queues: Option<Source>,
    /// The deep check; None if no web role runs.
    pub login_page: Option<Arc<dyn DeepCheck>>,
    pub children: BTreeMap<String, ServiceStatus>,
    /// The metrics of the web port; None if there is no web role.
    pub front: Option<Arc<dyn MetricsSource>>,
}

/// The result of a probe of the web role.
#[derive(Clone, Debug)]
pub struct RoleProbe {
    pub latency: Duration,
    pub problem: Option<String>,
}

/// A shared handle to the status.
#[derive(Clone, Debug)]
pub struct StatusHandle(Arc<Mutex<Status>>);

impl StatusHandle {
    pub fn new(role: RoleName, site: Option<String>) -> Self {
        Self(Arc::new(Mutex::new(Status {
            role,
            site,
            phase: Phase::Starting,
            operation: None,
            activity: None,
            progress_at: Instant::now(),
            phases: PhaseTimes::default(),
            attempt: None,
            holder: None,
            last_error: None,
            copy_of: None,
            queue_of: None,
            foreign_jobs: 0,
            parked_jobs: BTreeMap::new(),
            missing_apps: Vec::new(),
            other_sites: OtherSites::default(),
            runtime_dir: None,
            dependencies_wait: None,
            gate: GateStatus::default(),
            last_backup: None,
            last_verified: None,
            role_probe: None,
            web_keeps_failing: false,
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

    /// Enters a phase with its first operation, which counts as progress. A draining process stays in that phase,
    /// unless it is held after a failure.
    pub fn enter(&self, phase: Phase, operation: Option<Operation>) {
        let mut status = self.lock();
        if status.phase == Phase::Draining && phase != Phase::FailedHeld {
            return;
        }
        status.phase = phase;
        status.operation = operation;
        status.progress_at = Instant::now();
        status.phases.record(phase, Instant::now());
    }

    /// Sets the operation of the current phase.
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

    /// Records a sign of progress of the running step.
    pub fn progress(&self) {
        self.lock().progress_at = Instant::now();
    }
}

impl Status {
    /// The operation as text; empty if there is none.
    pub fn detail(&self) -> String {
        self.operation.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// The operation, with the activity of a stalled step.
    pub fn doing(&self) -> String {
        self.with_stall(self.detail())
    }

    /// The progress of the running step, with the activity of a stalled step.
    pub fn step_progress(&self) -> String {
        let progress = match &self.operation {
            Some(Operation::RunningStep { progress: Some(progress), .. }) => progress.to_string(),
            _ => String::new(),
        };
        self.with_stall(progress)
    }

    fn with_stall(&self, text: String) -> String {
        match self.activity.as_ref().filter(|activity| activity.is_stalled()) {
            Some(activity) => format!("{text}; {activity}"),
            None => text,
        }
    }
}
