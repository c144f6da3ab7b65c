//! Sessions that block ALTER TABLE.
//!
//! A failed web request leaves a session idle in transaction, and migrate would wait for it forever
//! (docs/frappe-sites.md#blocked-alter-table). Idle sessions of the site's own role are ended after a while. Running
//! statements (a report) and transactions of other roles (a nightly dump) are waited for before the migration starts,
//! as jobs are, and are named.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::postgres::sessions::{self, EndedSession, TableLock};
use crate::postgres::sql::sql_fault;
use crate::status::activity::StepState;
use crate::status::handle::StatusHandle;
use crate::status::operation::{DrainBlocker, Operation};

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The idle time after which a session with an open transaction counts as abandoned.
const MAX_IDLE_IN_TRANSACTION: Duration = Duration::from_secs(30);

/// Ends idle sessions of the site's own role until dropped. The session that the step last waited for is left in
/// `blocked_by`.
pub async fn watch(
    client: &Client,
    status: &StatusHandle,
    blocked_by: &std::sync::Mutex<String>,
) -> Infallible {
    loop {
        if let Err(fault) = end_idle(client).await {
            tracing::debug!(event = "migration.idle_sessions_not_ended", %fault, "cannot end idle sessions");
        }
        if let Some(StepState::WaitsForLock(whom)) = status.read().activity.map(|activity| activity.state) {
            *blocked_by.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = whom;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn end_idle(client: &Client) -> Result<()> {
    let ended = sessions::end_idle_in_transaction(client, MAX_IDLE_IN_TRANSACTION).await;
    for EndedSession { backend, application } in ended.map_err(sql_fault("cannot end idle sessions"))? {
        tracing::warn!(
            event = "migration.idle_session_ended",
            backend,
            application,
            "ended a session that was idle in transaction for 30 s"
        );
    }
    Ok(())
}

/// One transaction: its backend, and the server's id of the transaction.
type Transaction = (i32, String);

async fn open_transactions(client: &Client) -> Result<BTreeMap<Transaction, TableLock>> {
    let found = sessions::table_locks(client).await.map_err(sql_fault("cannot read other sessions"))?;
    Ok(found.into_iter().map(|found| ((found.backend, found.transaction.clone()), found)).collect())
}

/// Waits until every statement of the site's own role and every transaction of another role that the first poll found
/// on the site's tables has ended, at most for the rest of the drain, which started at `drains_since`.
///
/// # Errors
/// 75 with the session: nothing was changed yet, and the old version keeps serving.
pub async fn wait_for_others(context: &Context<'_>, client: &Client, drains_since: Instant) -> Result<()> {
    let started = Instant::now();
    let limit = context.pod.config.migrate_drain.saturating_sub(started - drains_since);
    end_idle(client).await?;
    let mut first = open_transactions(client).await?;
    let mut logged = None;
    loop {
        let Some(found) = first.values().next() else { return Ok(()) };
        let (pid, waited) = (found.backend, started.elapsed());
        if waited >= limit {
            return Err(Fault::try_again(
                format!("{} for {} s", blocker(found), drains_since.elapsed().as_secs()),
                format!(
                    "end the session ({}) or wait for it; nothing was changed",
                    sessions::statement_to_end(pid)
                ),
            ));
        }
        if logged != Some(pid) {
            tracing::info!(
                event = "migration.waiting_for_session",
                reason = blocker(found).to_string(),
                "waiting for a session to end before the migration"
            );
            logged = Some(pid);
        }
        context.pod.status.begin(Operation::WaitingForDrain(blocker(found)));
        // Waiting counts as progress, however long it takes.
        context.pod.status.progress();
        tokio::time::sleep(POLL_INTERVAL).await;
        end_idle(client).await?;
        let seen = open_transactions(client).await?;
        // Sessions that came later are ignored: there may always be new ones, and they end without help.
        first.retain(|transaction, _| seen.contains_key(transaction));
    }
}

fn blocker(found: &TableLock) -> DrainBlocker {
    let TableLock { backend, role, application, is_own_role, .. } = found.clone();
    DrainBlocker::Session { pid: backend, role, application, is_own: is_own_role }
}
