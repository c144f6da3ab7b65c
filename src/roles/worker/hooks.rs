//! The stop of a worker, and the handling of its end.
//!
//! A worker gets one TERM, after RQ has installed its handlers: earlier, it would end and leave its record behind.
//! The work-horse gets none: it is in a separate session, and RQ lets it finish its job.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::job_recovery::{EndedWorker, JobRecovery};
use super::slot::Slot;
use crate::frappe::queues;
use crate::redis_client::Link;
use crate::supervise::hooks::{ChildStop, HookFuture, Hooks};
use crate::supervise::process::Processes;
use crate::supervise::stop::StopReport;
use crate::sys::exit::Exit;
use crate::sys::proc;

/// Time for Python's start and Frappe's imports on a busy machine. A slower process hangs, and has no job.
const HANDLERS_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

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
    fn before_stop(&self, ChildStop { pid, grace, .. }: ChildStop) -> HookFuture {
        let (slot, link) = (self.slot.clone(), self.link.clone());
        Box::pin(async move {
            let handlers = async {
                while !proc::catches(pid, Signal::SIGTERM) {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            };
            let _ = tokio::time::timeout(HANDLERS_TIMEOUT.min(grace), handlers).await;
            // In parallel, so that the signal does not wait for Redis, which may be down.
            tokio::spawn(log_running_job(slot, link, pid, grace));
        })
    }

    fn before_kill(&self, pid: i32) {
        self.slot.facts().orphaned_horses = proc::children_of(pid);
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
            (reason, facts.orphaned_horses, Duration::ZERO)
        } else {
            // A work-horse outlives its killed worker and finishes its job alone (docs/frappe-jobs.md#work-horse).
            let horses = facts.horse.map_or_else(|| self.processes.adopted(), |horse| vec![horse]);
            let how = match report.exit {
                Exit::Signaled(signal) if signal == Signal::SIGKILL as i32 => {
                    "was killed (out of memory, or by hand)".to_string()
                }
                exit => exit.to_string(),
            };
            (format!("lost: its worker {how}, and its work-horse did not finish it"), horses, self.grace)
        };
        self.recovery.recover(EndedWorker {
            child: self.slot.name.clone(),
            pid,
            key: facts.key,
            reason,
            horses,
            wait,
        });
    }
}

/// Logs the job that a stop waits for.
async fn log_running_job(slot: Arc<Slot>, link: Link, pid: i32, grace: Duration) {
    let (key, horse) = {
        let facts = slot.facts();
        (facts.key.clone(), proc::children_of(pid).first().copied())
    };
    let (Some(key), Some(horse)) = (key, horse) else { return };
    let mut query = redis::Pipeline::new();
    query.cmd("HGET").arg(&key).arg("current_job");
    let job = link.query::<(Option<String>,)>(&query).await.ok().and_then(|(job,)| job).unwrap_or_default();
    let mut query = redis::Pipeline::new();
    query.cmd("HGET").arg(queues::job(&job)).arg("origin");
    let queue = link.query::<(Option<String>,)>(&query).await.ok().and_then(|(queue,)| queue);
    let running_s = proc::age(horse).unwrap_or_default().as_secs();
    tracing::info!(
        event = "worker.stop_waits_for_job",
        child = slot.name,
        job,
        queue = queue.unwrap_or_default(),
        running_s,
        grace_left_s = grace.as_secs(),
        "a stopping worker still runs a job, which may finish within the grace period"
    );
}
