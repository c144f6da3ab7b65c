//! `all` takes backups on a clock (`CAULDRON_BACKUP_SCHEDULE`): each is a child `cauldron-frappe backup`, which alone gets
//! the repository's password and its credentials.
//!
//! ```text
//!   last backup, or last try ─▶ next run of the schedule ─▶ in the future: wait     ─▶ run ─▶ …
//!                                                        └─▶ in the past: missed, run once now ─┘
//! ```

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::config::backup::schedule::Schedule;
use crate::frappe::environment::ChildEnvironment;
use crate::pod::Pod;
use crate::record::volume::Volume;
use crate::supervise::relay::relay;
use crate::supervise::run_service::{End, ServicePlan, run_service};
use crate::supervise::service::Policy;
use crate::supervise::spawn::Spec;

/// The time for a backup to end after a stop request: it leaves nothing that counts.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// The longest sleep, so that a clock that is set is noticed.
const MAX_SLEEP: Duration = Duration::from_secs(600);

/// Takes backups until a stop is requested. Never completes otherwise.
pub async fn follow(pod: Pod, site: String, schedule: Schedule) {
    let volume = Volume::read_only(pod.bench.cauldron_site(&site));
    let mut tried = None;
    let started = Timestamp::now();
    loop {
        let last = volume.last_backup().and_then(|last| Timestamp::from_second(last.at_s).ok());
        let now = Timestamp::now();
        let Some(due) = due(&schedule, last, tried, started, now) else { return };
        let left = due.duration_since(now);
        if let Ok(left) = Duration::try_from(left)
            && !left.is_zero()
        {
            tracing::debug!(
                event = "backup.next_run",
                at = due.to_string(),
                "the next backup is due at this time"
            );
            tokio::select! {
                () = tokio::time::sleep(left.min(MAX_SLEEP)) => continue,
                _ = pod.shutdown.stop_requested() => return,
            }
        }
        tried = Some(now);
        run(&pod, due).await;
        if pod.shutdown.signal().is_some() {
            return;
        }
    }
}

/// When the next backup is due: the first run of the schedule after the last backup or the last try. Of runs that were
/// missed, one is made up for. A site without a backup waits for its first run. A time in the future is one of a clock
/// that was wrong: it would put off every backup until then.
fn due(
    schedule: &Schedule,
    last: Option<Timestamp>,
    tried: Option<Timestamp>,
    started: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let past = [last, tried].into_iter().flatten().filter(|time| *time <= now).max();
    let after = past.unwrap_or_else(|| started.min(now));
    schedule.next(after).map(|run| run.timestamp())
}

async fn run(pod: &Pod, due: Timestamp) {
    tracing::info!(event = "backup.run_started", due = due.to_string(), "taking the backup that is due");
    let mut environment = ChildEnvironment::inherited();
    for (name, value) in &pod.config.backup.for_child {
        environment.set(name, value.expose_secret());
    }
    let spec = Spec {
        args: vec!["backup".into(), "--scheduled".into()],
        env: environment.into_map(),
        output: relay(pod.config.child_logs, "backup"),
        ..Spec::new("backup", "/proc/self/exe")
    };
    let plan = ServicePlan { stop_with: None, ..ServicePlan::new(spec, Policy::once(STOP_GRACE)) };
    match run_service(&pod.processes, plan, &pod.shutdown).await {
        End::Ended(exit) | End::CrashLoop(exit) if exit.code() != 0 => {
            let exit_code = exit.code();
            tracing::error!(
                event = "backup.run_failed",
                exit_code,
                "the backup failed, its own error is above; the next one is taken at its time"
            );
        }
        End::NotStarted(error) => {
            tracing::error!(event = "backup.run_not_started", %error, "the backup cannot be started");
        }
        End::Failed(fault) => {
            tracing::error!(
                event = "backup.run_not_started",
                error = fault.cause,
                "the backup cannot be started"
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_run_is_made_once_and_a_failed_one_waits_for_the_next() {
        let schedule = Schedule::parse("0 2 * * *").unwrap();
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("2026-11-30T12:00:00Z");
        let due = |last: Option<&str>, tried: Option<&str>| {
            due(&schedule, last.map(time), tried.map(time), now, now).unwrap().to_string()
        };
        assert_eq!(due(None, None), "2026-12-01T02:00:00Z", "a site without a backup");
        let old = Some("2026-11-20T02:01:00Z");
        assert_eq!(due(old, None), "2026-11-21T02:00:00Z", "missed: due in the past");
        assert_eq!(due(old, Some("2026-11-30T12:00:00Z")), "2026-12-01T02:00:00Z", "tried: not again");
        assert_eq!(due(Some("2026-11-30T02:01:00Z"), None), "2026-12-01T02:00:00Z");
        let future = Some("2031-01-01T00:00:00Z");
        assert_eq!(due(future, None), "2026-12-01T02:00:00Z", "a clock that was wrong");
        assert_eq!(due(old, future), "2026-11-21T02:00:00Z", "a clock that was set back: missed");
    }
}
