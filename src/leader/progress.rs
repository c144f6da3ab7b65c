//! A running step as people see it: what it is at and on whom it waits, in the account and in the log; on a
//! terminal a live line with elapsed time and tables created.
//!
//! PodRegistry of life besides its output: a new table, CPU time that grows, and a session that works.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::takeover::end_other_attempts;
use crate::postgres::catalog;
use crate::postgres::sessions::{self, Working};
use crate::status::activity::{Activity, Doing, News};
use crate::status::handle::StatusHandle;
use crate::status::operation::StepName;
use crate::sys::proc;
use crate::telemetry::live_line;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of the CPU time between two looks: less is a loop that waits for something.
const COMPUTES_FROM: Duration = Duration::from_millis(50);

/// Looks once a second, until it is dropped. A look that fails is nobody's progress; the lock's own
/// beat tells the loss of the connection. `group` is the step's process group.
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
    let _shown = Shown(status);
    loop {
        if let Err(fault) = end_other_attempts(client, attempt).await {
            tracing::debug!(%fault, "no look at other sessions");
        }
        let tables = catalog::count_tables(client).await.unwrap_or(most_tables);
        let cpu_now = proc::cpu_of_group(group);
        let used = cpu_now.saturating_sub(cpu);
        let doing = doing(used, &sessions::of_step(client, attempt).await.unwrap_or_default());
        if tables > most_tables || !used.is_zero() || doing.is_work() {
            status.progress();
        }
        (most_tables, cpu) = (tables.max(most_tables), cpu_now);
        tell(status, step, &mut activity, doing);
        let (elapsed_s, progress) = (started.elapsed().as_secs(), status.read().step_progress());
        live_line::show(&format!("{step}  {elapsed_s} s  {tables} tables  {progress}"));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn doing(used: Duration, sessions: &[Working]) -> Doing {
    let waits_for: Vec<&str> = sessions.iter().filter_map(|session| session.waits_for.as_deref()).collect();
    if !waits_for.is_empty() {
        Doing::Waits(waits_for.join("; "))
    } else if used >= COMPUTES_FROM {
        Doing::Computes
    } else if sessions.iter().any(|session| session.is_working) {
        Doing::Queries
    } else {
        Doing::Nothing
    }
}

fn tell(status: &StatusHandle, step: &StepName, activity: &mut Activity, doing: Doing) {
    let news = activity.see(doing, Instant::now());
    status.update(|status| status.activity = Some(activity.clone()));
    let step = step.to_string();
    let patch = || status.read().gate.progress.and_then(|progress| progress.patch);
    match news {
        Some(News::StandsStill) => {
            tracing::warn!(step, patch = patch(), %activity, "the step stands still");
        }
        Some(News::GoesOn) => tracing::info!(step, patch = patch(), "the step goes on"),
        None => {}
    }
}

/// Takes what is shown away with the watch.
struct Shown<'a>(&'a StatusHandle);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.update(|status| status.activity = None);
        live_line::clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_comes_first_and_a_loop_that_waits_is_no_work() {
        let (much, little) = (Duration::from_millis(900), Duration::from_millis(10));
        let session = |is_working, waits_for: Option<&str>| Working {
            is_working,
            waits_for: waits_for.map(str::to_string),
        };
        let waits = session(false, Some("session 7"));
        assert_eq!(doing(much, std::slice::from_ref(&waits)), Doing::Waits("session 7".into()));
        assert_eq!(doing(little, &[session(true, None), waits]), Doing::Waits("session 7".into()));
        assert_eq!(doing(much, &[]), Doing::Computes);
        assert_eq!(doing(little, &[session(true, None)]), Doing::Queries);
        assert_eq!(doing(little, &[session(false, None)]), Doing::Nothing);
    }
}
