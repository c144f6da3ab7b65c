//! A running step as people see it: what it is at and on whom it waits, in the account and in the log; on a
//! terminal a live line with elapsed time and tables created.
//!
//! Signs of life besides its output: a new table, CPU time that grows, and a session that works.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::takeover::end_other_attempts;
use crate::status::account::Board;
use crate::status::activity::{Activity, Doing, News};
use crate::sys::proc;
use crate::telemetry::live_line;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of the CPU time between two looks: less is a loop that waits for something.
const COMPUTES_FROM: Duration = Duration::from_millis(50);

const COUNT: &str = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = 'public' AND c.relkind = 'r'";

/// The sessions of the step: whether a statement runs, and who keeps it waiting for a lock. Of others'
/// sessions the application's name is all that everybody may see.
const SESSIONS: &str = "SELECT state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock',
      (SELECT string_agg(DISTINCT concat('session ', b.pid, ' of role ', b.usename,
              ' (' || nullif(b.application_name, '') || ')', ', ' || b.state), '; ')
       FROM unnest(pg_blocking_pids(w.pid)) AS blocker JOIN pg_stat_activity b ON b.pid = blocker
       WHERE b.application_name <> w.application_name)
    FROM pg_stat_activity w WHERE w.application_name = 'cauldron/' || $1::text";

/// Looks once a second, until it is dropped. A look that fails is nobody's progress; the lock's own
/// beat tells the loss of the connection. `group` is the step's process group.
pub async fn watch(client: &Client, board: &Board, step: &str, attempt: &str, group: i32) -> Infallible {
    let started = Instant::now();
    let mut most_tables = 0;
    let mut cpu = Duration::ZERO;
    let mut activity = Activity::new(started);
    let _shown = Shown(board);
    loop {
        if let Err(fault) = end_other_attempts(client, attempt).await {
            tracing::debug!(%fault, "no look at other sessions");
        }
        let tables = client.query_one(COUNT, &[]).await.map_or(most_tables, |row| row.get::<_, i64>(0));
        let cpu_now = proc::cpu_of_group(group);
        let used = cpu_now.saturating_sub(cpu);
        let doing = doing(used, &sessions(client, attempt).await);
        if tables > most_tables || !used.is_zero() || doing.is_work() {
            board.progress();
        }
        (most_tables, cpu) = (tables.max(most_tables), cpu_now);
        tell(board, step, &mut activity, doing);
        let detail = board.read().doing();
        let detail = detail.strip_prefix(step).unwrap_or_default().trim_start_matches(": ").to_string();
        live_line::show(&format!("{step}  {} s  {tables} tables  {detail}", started.elapsed().as_secs()));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a session works, and on whom it waits.
type Session = (bool, Option<String>);

async fn sessions(client: &Client, attempt: &str) -> Vec<Session> {
    let rows = client.query(SESSIONS, &[&attempt]).await.unwrap_or_default();
    rows.iter().map(|row| (row.get::<_, Option<bool>>(0).unwrap_or_default(), row.get(1))).collect()
}

fn doing(used: Duration, sessions: &[Session]) -> Doing {
    let waits_for: Vec<&str> = sessions.iter().filter_map(|(_, whom)| whom.as_deref()).collect();
    if !waits_for.is_empty() {
        Doing::Waits(waits_for.join("; "))
    } else if used >= COMPUTES_FROM {
        Doing::Computes
    } else if sessions.iter().any(|(works, _)| *works) {
        Doing::Queries
    } else {
        Doing::Nothing
    }
}

fn tell(board: &Board, step: &str, activity: &mut Activity, doing: Doing) {
    let news = activity.see(doing, Instant::now());
    board.update(|account| account.activity = Some(activity.clone()));
    let patch = || board.read().gate.progress.and_then(|progress| progress.patch);
    match news {
        Some(News::StandsStill) => {
            tracing::warn!(step, patch = patch(), %activity, "the step stands still");
        }
        Some(News::GoesOn) => tracing::info!(step, patch = patch(), "the step goes on"),
        None => {}
    }
}

/// Takes what is shown away with the watch.
struct Shown<'a>(&'a Board);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.update(|account| account.activity = None);
        live_line::clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_comes_first_and_a_loop_that_waits_is_no_work() {
        let (much, little) = (Duration::from_millis(900), Duration::from_millis(10));
        let waits = (false, Some("session 7".to_string()));
        assert_eq!(doing(much, std::slice::from_ref(&waits)), Doing::Waits("session 7".into()));
        assert_eq!(doing(little, &[(true, None), waits]), Doing::Waits("session 7".into()));
        assert_eq!(doing(much, &[]), Doing::Computes);
        assert_eq!(doing(little, &[(true, None)]), Doing::Queries);
        assert_eq!(doing(little, &[(false, None)]), Doing::Nothing);
    }
}
