//! Runs Frappe's migrate under observation: with a limit on lock waits, visible progress, and a record of whether it
//! changed anything.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::blockers;
use crate::leader::context::OverlayContext;
use crate::leader::lock::Leadership;
use crate::leader::step::{self, Step};
use crate::outcome::{Fault, Stopped};
use crate::postgres::sessions::options;
use crate::status::handle::StatusHandle;
use crate::status::operation::{Operation, StepName, StepProgress};

/// The limit on the lock waits of ALTER TABLE, behind which all readers queue.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// The inputs of a run.
pub struct Plan<'a> {
    pub attempt: &'a str,
    pub patches: usize,
    /// The average of past migrations.
    pub ms_per_patch: Option<i64>,
    /// True if PGOPTIONS may be set.
    pub accepts_settings: bool,
    /// The time that a requested stop waits for migrate's end.
    pub stop_grace: Duration,
}

/// The reason why migrate did not finish.
pub struct Failure {
    pub stopped: Stopped,
    /// True if a patch or a DocType was started: the database may have been changed.
    pub changed: bool,
}

/// Runs migrate to its end.
pub async fn run(
    context: &OverlayContext<'_>,
    leadership: &Leadership,
    plan: &Plan<'_>,
) -> Result<(), Failure> {
    let seen = Arc::new(Mutex::new(MigrateOutput::new(plan, context.pod.status.clone())));
    let observed = seen.clone();
    let step = Step {
        arguments: vec!["migrate"],
        with_site: true,
        settings: plan.accepts_settings.then(|| options(leadership.client().version(), LOCK_TIMEOUT)),
        observer: Some(Arc::new(move |line: &str| {
            observed.lock().unwrap_or_else(PoisonError::into_inner).line(line);
        })),
        stop_grace: plan.stop_grace,
        ..Step::new(StepName::Migrate, plan.attempt)
    };
    let blocked_by = Mutex::new(String::new());
    let ended = tokio::select! {
        ended = step::run(context, leadership, &step) => ended,
        never = blockers::watch(leadership.client(), &context.pod.status, &blocked_by) => match never {},
    };
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let blocked_by = blocked_by.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended
        .map_err(|stopped| Failure { stopped: explained(stopped, &seen, &blocked_by), changed: seen.changed })
}

fn explained(stopped: Stopped, seen: &MigrateOutput, blocked_by: &str) -> Stopped {
    let Stopped::Fault(fault) = stopped else { return stopped };
    let mut cause = fault.cause;
    if let Some(patch) = &seen.patch {
        cause = format!("patch {patch}: {cause}");
    }
    if cause.contains("lock timeout") && !blocked_by.is_empty() {
        cause = format!("{cause}; it was blocked by {blocked_by}");
    }
    Stopped::Fault(Fault { cause, ..fault })
}

/// The progress read from migrate's output, which is Frappe's wording (patch_handler.py, model/sync.py).
struct MigrateOutput {
    status: StatusHandle,
    started: Instant,
    patches: usize,
    ms_per_patch: Option<i64>,
    done: usize,
    patch: Option<String>,
    changed: bool,
}

impl MigrateOutput {
    fn new(plan: &Plan<'_>, status: StatusHandle) -> Self {
        let mut seen = Self {
            status,
            started: Instant::now(),
            patches: plan.patches,
            ms_per_patch: plan.ms_per_patch,
            done: 0,
            patch: None,
            changed: false,
        };
        seen.publish();
        seen
    }

    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("Executing ") {
            self.patch = Some(rest.split(" in ").next().unwrap_or(rest).to_string());
            self.changed = true;
        } else if line.starts_with("Success: Done") {
            self.done += usize::from(self.patch.take().is_some());
        } else if line.starts_with("Updating DocTypes") {
            self.changed = true;
            return;
        } else {
            return;
        }
        self.publish();
    }

    fn publish(&mut self) {
        let left = i64::try_from(self.patches.saturating_sub(self.done)).unwrap_or(0);
        let estimate = self.ms_per_patch.map(|each| Duration::from_millis((each * left).unsigned_abs()));
        self.status.update(|status| {
            let Some(progress) = &mut status.gate.progress else {
                status.gate.progress = Some(Progress {
                    done: self.done,
                    patches: self.patches,
                    patch: self.patch.clone(),
                    since: self.started,
                    left: estimate,
                });
                return;
            };
            *progress = Progress {
                done: self.done,
                patches: self.patches,
                patch: self.patch.clone(),
                since: Instant::now(),
                left: estimate,
            };
            let progress = Some(StepProgress::Patches(progress.clone()));
            status.operation = Some(Operation::RunningStep { name: StepName::Migrate, progress });
        });
    }
}

pub use crate::status::gate::Progress;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::handle::RoleName;

    #[test]
    fn the_output_shows_the_progress_and_whether_anything_changed() {
        let status = StatusHandle::new(RoleName::Bootstrap, None);
        let plan = Plan {
            attempt: "a",
            patches: 2,
            ms_per_patch: Some(1_000),
            accepts_settings: true,
            stop_grace: Duration::ZERO,
        };
        let mut seen = MigrateOutput::new(&plan, status.clone());
        seen.line("Migrating erp.test");
        assert!(!seen.changed);
        seen.line("Executing crm.patches.one #2 in erp.test (frappe)");
        assert!(seen.changed && seen.patch.as_deref() == Some("crm.patches.one #2"));
        seen.line("Success: Done in 0.1s");
        let progress = status.read().gate.progress.unwrap();
        assert_eq!((progress.done, progress.patches, progress.patch), (1, 2, None));
        assert_eq!(progress.left, Some(Duration::from_secs(1)));
    }
}
