//! How a worker is told to stop, and what is seen when it ends.
//!
//! One TERM, once its handlers are there: before, it would end with a record left behind. The work-horse
//! gets none: it leads a session of its own, and RQ lets it finish its job.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::job_recovery::{Case, JobRecovery};
use super::slot::Slot;
use crate::frappe::queues;
use crate::redis_client::Link;
use crate::supervise::hooks::{Hooks, Moment, Stop};
use crate::supervise::process::Processes;
use crate::supervise::stop::StopReport;
use crate::sys::exit::Exit;
use crate::sys::proc;

/// Python's start and Frappe's imports on a busy machine. What takes longer hangs, and has no job.
const HANDLERS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub struct WorkerHooks {
    slot: Arc<Slot>,
    link: Link,
    recovery: JobRecovery,
    processes: Processes,
    grace: Duration,
}

impl WorkerHooks {
    pub fn new(
        slot: Arc<Slot>,
        link: Link,
        recovery: JobRecovery,
        processes: Processes,
        grace: Duration,
    ) -> Self {
        Self { slot, link, recovery, processes, grace }
    }
}

impl Hooks for WorkerHooks {
    fn before_stop(&self, Stop { pid, grace, .. }: Stop) -> Moment {
        let (slot, link) = (self.slot.clone(), self.link.clone());
        Box::pin(async move {
            let handlers = async {
                while !proc::catches(pid, Signal::SIGTERM) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            let _ = tokio::time::timeout(HANDLERS_WITHIN.min(grace), handlers).await;
            // Beside the signal, not before it: Redis may be away.
            tokio::spawn(tell_job(slot, link, pid, grace));
        })
    }

    fn before_kill(&self, pid: i32) {
        self.slot.facts().doomed = proc::children_of(pid);
    }

    fn ended(&self, pid: i32, report: &StopReport) {
        if report.exit.success() {
            return;
        }
        let facts = std::mem::take(&mut *self.slot.facts());
        let (reason, horses, wait) = if report.killed {
            let reason = format!(
                "cut off: its worker was stopped, and the grace of {} s was over or somebody was in a hurry",
                self.grace.as_secs()
            );
            (reason, facts.doomed, Duration::ZERO)
        } else {
            // A work-horse outlives a worker that was killed, and finishes its job alone (docs/frappe-jobs.md#work-horse).
            let horses = facts.horse.map_or_else(|| self.processes.adopted(), |horse| vec![horse]);
            let how = match report.exit {
                Exit::Signaled(signal) if signal == Signal::SIGKILL as i32 => {
                    "was killed (out of memory, or by hand)".to_string()
                }
                exit => exit.to_string(),
            };
            (format!("lost: its worker {how}, and its work-horse did not finish it"), horses, self.grace)
        };
        self.recovery.recover(Case {
            child: self.slot.name.clone(),
            pid,
            key: facts.key,
            reason,
            horses,
            wait,
        });
    }
}

/// For whoever wonders what a stop waits for.
async fn tell_job(slot: Arc<Slot>, link: Link, pid: i32, grace: Duration) {
    let (key, horse) = {
        let facts = slot.facts();
        (facts.key.clone(), proc::children_of(pid).first().copied())
    };
    let (Some(key), Some(horse)) = (key, horse) else { return };
    let mut question = redis::Pipeline::new();
    question.cmd("HGET").arg(&key).arg("current_job");
    let job = link.ask::<(Option<String>,)>(&question).await.ok().and_then(|(job,)| job).unwrap_or_default();
    let mut question = redis::Pipeline::new();
    question.cmd("HGET").arg(queues::job(&job)).arg("origin");
    let queue = link.ask::<(Option<String>,)>(&question).await.ok().and_then(|(queue,)| queue);
    let running_s = proc::age(horse).unwrap_or_default().as_secs();
    tracing::info!(
        child = slot.name,
        job,
        queue = queue.unwrap_or_default(),
        running_s,
        grace_left_s = grace.as_secs(),
        "told to stop; its job goes on within the grace"
    );
}
