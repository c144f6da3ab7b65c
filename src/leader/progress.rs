//! Shows a running step: what it does and which session it waits for, in the status and in the log; on a terminal, a
//! live line with the elapsed time and the number of tables.
//!
//! Signs of life beside the output: a new table, growing CPU time, and a session that runs a statement.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::takeover::end_other_attempts;
use crate::postgres::catalog;
use crate::postgres::sessions::{self, StepSession};
use crate::status::activity::{Activity, ActivityChange, StepState};
use crate::status::handle::StatusHandle;
use crate::status::operation::StepName;
use crate::sys::proc;
use crate::telemetry::live_line;

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The CPU time between two polls from which a step counts as computing: a polling loop needs less.
const MIN_CPU_TIME: Duration = Duration::from_millis(50);

/// Polls once a second until dropped. A failed poll counts as no progress; the heartbeat of the lock detects the loss
/// of the connection. `group` is the step's process group.
pub async fn watch(
    client: &Client,
    status: &StatusHandle,
    step: &StepName,
    attempt: &str,
    group: i32,
) -> Infallible {
    let started = Instant::now();
    let mut most_tables = 0;
    let mut cpu = Duration::ZERO;
    let mut activity = Activity::new(started);
    let _shown = ClearOnDrop(status);
    loop {
        if let Err(fault) = end_other_attempts(client, attempt).await {
            tracing::debug!(event = "step.sessions_not_read", %fault, "cannot end the sessions of older attempts");
        }
        let tables = catalog::count_tables(client).await.unwrap_or(most_tables);
        let cpu_now = proc::cpu_of_group(group);
        let used = cpu_now.saturating_sub(cpu);
        let doing = doing(used, &sessions::of_step(client, attempt).await.unwrap_or_default());
        if tables > most_tables || !used.is_zero() || doing.is_work() {
            status.progress();
        }
        (most_tables, cpu) = (tables.max(most_tables), cpu_now);
        report(status, step, &mut activity, doing);
        let (elapsed_s, progress) = (started.elapsed().as_secs(), status.read().step_progress());
        live_line::show(&format!("{step}  {elapsed_s} s  {tables} tables  {progress}"));
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn doing(used: Duration, sessions: &[StepSession]) -> StepState {
    let waits_for: Vec<&str> = sessions.iter().filter_map(|session| session.waits_for.as_deref()).collect();
    if !waits_for.is_empty() {
        StepState::WaitsForLock(waits_for.join("; "))
    } else if used >= MIN_CPU_TIME {
        StepState::UsesCpu
    } else if sessions.iter().any(|session| session.is_working) {
        StepState::RunsStatement
    } else {
        StepState::Idle
    }
}

fn report(status: &StatusHandle, step: &StepName, activity: &mut Activity, doing: StepState) {
    let news = activity.update(doing, Instant::now());
    status.update(|status| status.activity = Some(activity.clone()));
    let step = step.to_string();
    let patch = || status.read().gate.progress.and_then(|progress| progress.patch);
    match news {
        Some(ActivityChange::Stalled) => {
            tracing::warn!(event = "step.stalled", step, patch = patch(), %activity, "the step makes no progress");
        }
        Some(ActivityChange::Resumed) => {
            tracing::info!(event = "step.resumed", step, patch = patch(), "the step makes progress again")
        }
        None => {}
    }
}

/// Clears the displayed activity when the watch ends.
struct ClearOnDrop<'a>(&'a StatusHandle);

impl Drop for ClearOnDrop<'_> {
    fn drop(&mut self) {
        self.0.update(|status| status.activity = None);
        live_line::clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_wait_comes_first_and_a_polling_loop_is_not_work() {
        let (much, little) = (Duration::from_millis(900), Duration::from_millis(10));
        let session = |is_working, waits_for: Option<&str>| StepSession {
            is_working,
            waits_for: waits_for.map(str::to_string),
        };
        let waits = session(false, Some("session 7"));
        assert_eq!(doing(much, std::slice::from_ref(&waits)), StepState::WaitsForLock("session 7".into()));
        assert_eq!(doing(little, &[session(true, None), waits]), StepState::WaitsForLock("session 7".into()));
        assert_eq!(doing(much, &[]), StepState::UsesCpu);
        assert_eq!(doing(little, &[session(true, None)]), StepState::RunsStatement);
        assert_eq!(doing(little, &[session(false, None)]), StepState::Idle);
    }
}
