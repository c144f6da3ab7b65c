//! Sessions in the way of ALTER TABLE.
//!
//! A web request that fails leaves one idle in transaction, and migrate waits for it for ever (FRAPPE.md,
//! Migrate). Those of the site's own role are ended after a while; other roles' are waited for, and named.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::bootstrap::Context;
use crate::bootstrap::sql::told;
use crate::outcome::{Fault, Result};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long others are waited for before maintenance begins.
const OTHERS_GO_WITHIN: Duration = Duration::from_secs(30);

/// Nobody works in a session that does nothing for so long with a transaction open.
const END_IDLE: &str = "SELECT pid, application_name, pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
      AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '30 s'
      AND application_name !~ '^cauldron/([a-z0-9]{20}|lock|backup)$'";

/// Who of another role has a lock on a table of the site's; seen by everybody, unlike what they do.
const OTHERS: &str = "SELECT DISTINCT l.pid, l.virtualtransaction, coalesce(a.usename, '')::text
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = 'public'::regnamespace
    JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'relation' AND l.granted AND a.usename IS NOT NULL AND a.usename <> current_user
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Who keeps this application's sessions waiting.
const BLOCKING: &str = "SELECT DISTINCT b.pid, coalesce(b.usename, '')::text, coalesce(b.state, '')
    FROM pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) AS blocker JOIN pg_stat_activity b ON b.pid = blocker
    WHERE w.application_name = 'cauldron/' || $1::text AND b.application_name <> w.application_name";

/// Ends idle sessions of the site's own role while it runs; it never ends itself. What blocks the
/// attempt is left in `blocked_by`.
pub async fn watch(client: &Client, attempt: &str, blocked_by: &std::sync::Mutex<String>) {
    loop {
        if let Err(fault) = end_idle(client).await {
            tracing::debug!(%fault, "no look at idle sessions");
        }
        if let Ok(rows) = client.query(BLOCKING, &[&attempt]).await {
            let blocking: Vec<String> = rows
                .iter()
                .map(|row| {
                    let (pid, user, state): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
                    format!("session {pid} of role {user} {state}").trim_end().to_string()
                })
                .collect();
            if !blocking.is_empty() {
                *blocked_by.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = blocking.join(", ");
            }
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

/// Waits until nobody of another role has been in one transaction on the site's tables for long.
///
/// # Errors
/// 75 naming the session: nothing was changed yet, and the old version goes on.
pub async fn wait_for_others(context: &Context<'_>, client: &Client) -> Result<()> {
    let started = Instant::now();
    let mut first_look: Option<BTreeMap<(i32, String), String>> = None;
    loop {
        end_idle(client).await?;
        let rows = client.query(OTHERS, &[]).await.map_err(told("cannot look at other sessions"))?;
        let seen: BTreeMap<(i32, String), String> =
            rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
        let Some(first) = &mut first_look else {
            if seen.is_empty() {
                return Ok(());
            }
            first_look = Some(seen);
            continue;
        };
        // Who came later may come for ever, and goes by itself.
        first.retain(|transaction, _| seen.contains_key(transaction));
        let Some(((pid, _), user)) = first.first_key_value() else { return Ok(()) };
        if started.elapsed() >= OTHERS_GO_WITHIN {
            return Err(Fault::try_again(
                format!(
                    "session {pid} of role {user} has had a transaction open on the site's tables for {} s",
                    OTHERS_GO_WITHIN.as_secs()
                ),
                format!("end it (SELECT pg_terminate_backend({pid})), or wait for it; nothing was changed"),
            ));
        }
        context.board.update(|account| account.detail = format!("waiting for session {pid} of role {user}"));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
