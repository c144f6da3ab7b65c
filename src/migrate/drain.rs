//! Waits for running jobs to finish: no new job starts (`worker_pause`), and none is cut off.
//!
//! A worker that died during a job keeps its record but sends no heartbeat: it is not waited for.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::Pipeline;

use super::worker_pause::Queues;
use crate::frappe::queues::{self, WORKERS, epoch_s};
use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::record::timing::NO_JOB_FOR;
use crate::status::operation::{DrainBlocker, Operation};

/// The heartbeat age from which a worker counts as dead. A busy worker sends one every 30 s
/// (docs/frappe-jobs.md#heartbeat).
const WORKER_ALIVE_S: f64 = 90.0;
const POLL_INTERVAL: Duration = Duration::from_millis(250);
const MAX_SHOWN: usize = 5;

/// Waits until no job of the bench has run for a moment.
///
/// # Errors
/// 75 after CAULDRON_MIGRATE_DRAIN, with the names of the jobs.
pub async fn wait(context: &Context<'_>, queues: &Queues) -> Result<()> {
    let started = Instant::now();
    let mut idle_since: Option<Instant> = None;
    let mut logged = String::new();
    loop {
        let blocker = match running(queues).await {
            Ok(jobs) if jobs.is_empty() => {
                let since = *idle_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= NO_JOB_FOR {
                    return Ok(());
                }
                None
            }
            Ok(jobs) => Some(blocked_by(jobs)),
            Err(error) => Some(DrainBlocker::QueueSilent(error)),
        };
        if let Some(blocker) = blocker {
            idle_since = None;
            let waits_for = blocker.to_string();
            context.pod.status.begin(Operation::WaitingForDrain(blocker));
            if waits_for != logged {
                tracing::info!(
                    event = "migration.waiting_for_jobs",
                    jobs = waits_for,
                    "waiting for running jobs before the migration"
                );
                logged = waits_for;
            }
        }
        if started.elapsed() >= context.pod.config.migrate_drain {
            return Err(Fault::try_again(
                format!(
                    "jobs were still running after {} s: {logged}",
                    context.pod.config.migrate_drain.as_secs()
                ),
                "wait for the jobs or stop them, or increase CAULDRON_MIGRATE_DRAIN; the old version keeps serving",
            ));
        }
        // Waiting counts as progress, however long a job takes.
        context.pod.status.progress();
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

type Record = (Option<String>, Option<String>, Option<String>, Option<String>);

/// Returns the jobs of this bench that a living worker runs.
async fn running(queues: &Queues) -> std::result::Result<Vec<String>, String> {
    let members: Vec<Vec<String>> = queues.link.query(Pipeline::new().cmd("SMEMBERS").arg(WORKERS)).await?;
    let members = members.into_iter().next().unwrap_or_default();
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    for key in &members {
        pipeline.cmd("HMGET").arg(key).arg("queues").arg("state").arg("current_job").arg("last_heartbeat");
    }
    let records: Vec<Record> = queues.link.query(&pipeline).await?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    let jobs: Vec<String> = records
        .into_iter()
        .filter(|(_, state, _, heartbeat)| {
            state.as_deref() == Some("busy") && is_alive(heartbeat.as_deref(), now_s)
        })
        .filter_map(|(of, _, job, _)| job.filter(|job| queues.runs_for_us(&of.unwrap_or_default(), job)))
        .collect();
    if jobs.is_empty() {
        return Ok(jobs);
    }
    let mut pipeline = Pipeline::new();
    for job in jobs.iter().take(MAX_SHOWN) {
        pipeline.cmd("HGET").arg(queues::job(job)).arg("description");
    }
    let descriptions: Vec<Option<String>> = queues.link.query(&pipeline).await?;
    let mut descriptions = descriptions.into_iter();
    Ok(jobs
        .into_iter()
        .map(|job| {
            let description = descriptions.next().flatten();
            match description.as_deref().and_then(method) {
                Some(method) => format!("{method} ({job})"),
                None => job,
            }
        })
        .collect())
}

/// True if the worker may be alive. A clock that is off by minutes must not hide a job, so only heartbeats that are
/// surely old count as dead.
fn is_alive(heartbeat: Option<&str>, now_s: f64) -> bool {
    heartbeat
        .and_then(epoch_s)
        .is_none_or(|heartbeat| (now_s - heartbeat).abs() < WORKER_ALIVE_S || heartbeat > now_s)
}

/// Returns the method in RQ's description of a Frappe job, without its arguments, which may be confidential.
fn method(description: &str) -> Option<&str> {
    let rest = description.split_once("method='")?.1;
    let name = rest.split('\'').next()?;
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b)).then_some(name)
}

fn blocked_by(mut jobs: Vec<String>) -> DrainBlocker {
    let more = jobs.len().saturating_sub(MAX_SHOWN);
    jobs.truncate(MAX_SHOWN);
    DrainBlocker::Jobs { named: jobs, more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_without_its_arguments() {
        let text =
            "frappe.utils.background_jobs.execute_job(method='crm.tasks.send', kwargs={'password': 'x'})";
        assert_eq!(method(text), Some("crm.tasks.send"));
        assert_eq!(method("something else"), None);
    }

    #[test]
    fn a_dead_worker_is_not_waited_for() {
        let heartbeat = "2024-02-29T23:59:59.000000Z";
        let at = epoch_s(heartbeat).unwrap();
        assert!(is_alive(Some(heartbeat), at + 31.0) && is_alive(Some(heartbeat), at - 5.0));
        assert!(!is_alive(Some(heartbeat), at + 91.0));
        assert!(is_alive(None, at), "RQ writes it with the record");
    }
}
