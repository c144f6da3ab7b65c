//! Waits for the jobs that run: none begins any more (`hold`), and none is cut off.
//!
//! A worker that died with a job in hand keeps its record, and no longer beats: it is not waited for.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::Pipeline;

use super::hold::Queues;
use crate::frappe::queues::{self, WORKERS, epoch_s};
use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::record::timing::NO_JOB_FOR;
use crate::status::operation::{DrainBlocker, Operation};

/// A busy worker beats every 30 s (docs/frappe-jobs.md#heartbeat).
const ALIVE_S: f64 = 90.0;
const LOOK_EVERY: Duration = Duration::from_millis(250);
const SHOWN: usize = 5;

/// Ends when no job of the bench has run for a moment.
///
/// # Errors
/// 75 past CAULDRON_MIGRATE_DRAIN, naming the jobs.
pub async fn wait(context: &Context<'_>, queues: &Queues) -> Result<()> {
    let started = Instant::now();
    let mut quiet_since: Option<Instant> = None;
    let mut told = String::new();
    loop {
        let blocker = match running(queues).await {
            Ok(jobs) if jobs.is_empty() => {
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= NO_JOB_FOR {
                    return Ok(());
                }
                None
            }
            Ok(jobs) => Some(blocked_by(jobs)),
            Err(error) => Some(DrainBlocker::QueueSilent(error)),
        };
        if let Some(blocker) = blocker {
            quiet_since = None;
            let waits_for = blocker.to_string();
            context.pod.status.begin(Operation::WaitingForDrain(blocker));
            if waits_for != told {
                tracing::info!(jobs = waits_for, "waiting for running jobs before the migration");
                told = waits_for;
            }
        }
        if started.elapsed() >= context.pod.config.migrate_drain {
            return Err(Fault::try_again(
                format!(
                    "jobs were still running after {} s: {told}",
                    context.pod.config.migrate_drain.as_secs()
                ),
                "wait for them or stop them, or give CAULDRON_MIGRATE_DRAIN more time; the old version goes on",
            ));
        }
        // However long a job takes, this one works: it waits.
        context.pod.status.progress();
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

type Record = (Option<String>, Option<String>, Option<String>, Option<String>);

/// The jobs of this bench that a living worker has in hand.
async fn running(queues: &Queues) -> std::result::Result<Vec<String>, String> {
    let members: Vec<Vec<String>> = queues.link.ask(Pipeline::new().cmd("SMEMBERS").arg(WORKERS)).await?;
    let members = members.into_iter().next().unwrap_or_default();
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = Pipeline::new();
    for key in &members {
        pipeline.cmd("HMGET").arg(key).arg("queues").arg("state").arg("current_job").arg("last_heartbeat");
    }
    let records: Vec<Record> = queues.link.ask(&pipeline).await?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    let jobs: Vec<String> = records
        .into_iter()
        .filter(|(of, state, _, beat)| {
            let ours = of.as_deref().is_some_and(|of| queues.names.is_any_of(of));
            ours && state.as_deref() == Some("busy") && is_alive(beat.as_deref(), now_s)
        })
        .filter_map(|(_, _, job, _)| job)
        .collect();
    if jobs.is_empty() {
        return Ok(jobs);
    }
    let mut pipeline = Pipeline::new();
    for job in jobs.iter().take(SHOWN) {
        pipeline.cmd("HGET").arg(queues::job(job)).arg("description");
    }
    let descriptions: Vec<Option<String>> = queues.link.ask(&pipeline).await?;
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

/// A clock that is off by minutes must not hide a job: only what is surely old is taken for dead.
fn is_alive(beat: Option<&str>, now_s: f64) -> bool {
    beat.and_then(epoch_s).is_none_or(|beat| (now_s - beat).abs() < ALIVE_S || beat > now_s)
}

/// The method in RQ's description of a job of Frappe's; its arguments are nobody's business.
fn method(description: &str) -> Option<&str> {
    let rest = description.split_once("method='")?.1;
    let name = rest.split('\'').next()?;
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b)).then_some(name)
}

fn blocked_by(mut jobs: Vec<String>) -> DrainBlocker {
    let more = jobs.len().saturating_sub(SHOWN);
    jobs.truncate(SHOWN);
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
        let beat = "2024-02-29T23:59:59.000000Z";
        let at = epoch_s(beat).unwrap();
        assert!(is_alive(Some(beat), at + 31.0) && is_alive(Some(beat), at - 5.0));
        assert!(!is_alive(Some(beat), at + 91.0));
        assert!(is_alive(None, at), "RQ writes it with the record");
    }
}
