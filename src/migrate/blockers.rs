//! Sessions in the way of ALTER TABLE.
//!
//! A web request that fails leaves one idle in transaction, and migrate waits for it for ever (FRAPPE.md,
//! Migrate). Those of the site's own role are ended after a while. A statement that runs (a report) and other
//! roles' transactions (a nightly dump) are waited for as a job is, before anything is begun, and named.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::postgres::sql::told;
use crate::status::account::Board;
use crate::status::activity::Doing;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Nobody works in a session that does nothing for so long with a transaction open.
const END_IDLE: &str = "SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
      AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '30 s'
      AND application_name !~ '^cauldron/([a-z0-9]{20}|lock|backup)$'";

/// Who has a lock on a table of the site's: of another role whoever it is, since what they do only the
/// privileged may see; of the site's own who works.
const OTHERS: &str =
    "SELECT DISTINCT l.pid, l.virtualtransaction, a.usename::text, coalesce(a.application_name, ''),
           a.usename = current_user
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = 'public'::regnamespace
    JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
      AND (a.usename <> current_user OR (a.state = 'active' AND a.application_name !~ '^cauldron/'))
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Ends idle sessions of the site's own role while it runs. Whom the step waited for last is left in
/// `blocked_by`.
pub async fn watch(client: &Client, board: &Board, blocked_by: &std::sync::Mutex<String>) -> Infallible {
    loop {
        if let Err(fault) = end_idle(client).await {
            tracing::debug!(%fault, "no look at idle sessions");
        }
        if let Some(Doing::Waits(whom)) = board.read().activity.map(|activity| activity.doing) {
            *blocked_by.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = whom;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn end_idle(client: &Client) -> Result<()> {
    let rows = client.query(END_IDLE, &[]).await.map_err(told("cannot end idle sessions"))?;
    for row in rows {
        let (backend, application): (i32, String) = (row.get(0), row.get(1));
        tracing::warn!(backend, application, "ended a session that was idle in transaction for 30 s");
    }
    Ok(())
}

/// Somebody in the way.
struct InTheWay {
    role: String,
    application: String,
    /// Of the site's own role: a statement that runs.
    own: bool,
}

/// One transaction: its backend, and what the server calls it.
type Transaction = (i32, String);

async fn in_the_way(client: &Client) -> Result<BTreeMap<Transaction, InTheWay>> {
    let rows = client.query(OTHERS, &[]).await.map_err(told("cannot look at other sessions"))?;
    let found = |row: &tokio_postgres::Row| {
        let found = InTheWay { role: row.get(2), application: row.get(3), own: row.get(4) };
        ((row.get(0), row.get(1)), found)
    };
    Ok(rows.iter().map(found).collect())
}

/// Waits until every statement of the site's own role and every transaction of another role that was on the
/// site's tables at the first look has ended; no longer than the drain has left, which began at `drains_since`.
///
/// # Errors
/// 75 naming the session: nothing was changed yet, and the old version goes on.
pub async fn wait_for_others(context: &Context<'_>, client: &Client, drains_since: Instant) -> Result<()> {
    let started = Instant::now();
    let limit = context.config.migrate_drain.saturating_sub(started - drains_since);
    end_idle(client).await?;
    let mut first = in_the_way(client).await?;
    let mut told = None;
    loop {
        let Some(((pid, _), found)) = first.first_key_value() else { return Ok(()) };
        let (pid, waited) = (*pid, started.elapsed());
        if waited >= limit {
            return Err(Fault::try_again(
                format!("{} for {} s", found.text(pid), drains_since.elapsed().as_secs()),
                format!("end it (SELECT pg_terminate_backend({pid})), or wait for it; nothing was changed"),
            ));
        }
        if told != Some(pid) {
            tracing::info!(reason = found.text(pid), "waiting for its end before the migration");
            told = Some(pid);
        }
        context.board.update(|account| account.detail = format!("drain: {}", found.text(pid)));
        // However long it takes, this one works: it waits.
        context.board.progress();
        tokio::time::sleep(LOOK_EVERY).await;
        end_idle(client).await?;
        let seen = in_the_way(client).await?;
        // Who came later may come for ever, and goes by itself.
        first.retain(|transaction, _| seen.contains_key(transaction));
    }
}

impl InTheWay {
    fn text(&self, pid: i32) -> String {
        let Self { role, application, own } = self;
        let by = if application.is_empty() { String::new() } else { format!(" ({application})") };
        let what = if *own { "run a statement" } else { "had a transaction open" };
        format!("session {pid} of role {role}{by} has {what} on the site's tables")
    }
}
