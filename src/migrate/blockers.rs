//! Sessions in the way of ALTER TABLE.
//!
//! A web request that fails leaves one idle in transaction, and migrate waits for it for ever
//! (docs/frappe-sites.md#blocked-alter-table). Those of the site's own role are ended after a while. A
//! statement that runs (a report) and other roles' transactions (a nightly dump) are waited for as a job is,
//! before anything is begun, and named.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::postgres::sessions::{self, Ended, OnTables};
use crate::postgres::sql::sql_fault;
use crate::status::activity::Doing;
use crate::status::handle::StatusHandle;
use crate::status::operation::{DrainBlocker, Operation};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Nobody works in a session that does nothing for so long with a transaction open.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// Ends idle sessions of the site's own role while it runs. Whom the step waited for last is left in
/// `blocked_by`.
pub async fn watch(
    client: &Client,
    status: &StatusHandle,
    blocked_by: &std::sync::Mutex<String>,
) -> Infallible {
    loop {
        if let Err(fault) = end_idle(client).await {
            tracing::debug!(%fault, "no look at idle sessions");
        }
        if let Some(Doing::Waits(whom)) = status.read().activity.map(|activity| activity.doing) {
            *blocked_by.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = whom;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn end_idle(client: &Client) -> Result<()> {
    let ended = sessions::end_idle_in_transaction(client, IDLE_FOR).await;
    for Ended { backend, application } in ended.map_err(sql_fault("cannot end idle sessions"))? {
        tracing::warn!(backend, application, "ended a session that was idle in transaction for 30 s");
    }
    Ok(())
}

/// One transaction: its backend, and what the server calls it.
type Transaction = (i32, String);

async fn in_the_way(client: &Client) -> Result<BTreeMap<Transaction, OnTables>> {
    let found = sessions::on_tables(client).await.map_err(sql_fault("cannot look at other sessions"))?;
    Ok(found.into_iter().map(|found| ((found.backend, found.transaction.clone()), found)).collect())
}

/// Waits until every statement of the site's own role and every transaction of another role that was on the
/// site's tables at the first look has ended; no longer than the drain has left, which began at `drains_since`.
///
/// # Errors
/// 75 naming the session: nothing was changed yet, and the old version goes on.
pub async fn wait_for_others(context: &Context<'_>, client: &Client, drains_since: Instant) -> Result<()> {
    let started = Instant::now();
    let limit = context.pod.config.migrate_drain.saturating_sub(started - drains_since);
    end_idle(client).await?;
    let mut first = in_the_way(client).await?;
    let mut told = None;
    loop {
        let Some(found) = first.values().next() else { return Ok(()) };
        let (pid, waited) = (found.backend, started.elapsed());
        if waited >= limit {
            return Err(Fault::try_again(
                format!("{} for {} s", blocker(found), drains_since.elapsed().as_secs()),
                format!("end it ({}), or wait for it; nothing was changed", sessions::statement_to_end(pid)),
            ));
        }
        if told != Some(pid) {
            tracing::info!(reason = blocker(found).to_string(), "waiting for its end before the migration");
            told = Some(pid);
        }
        context.pod.status.begin(Operation::WaitingForDrain(blocker(found)));
        // However long it takes, this one works: it waits.
        context.pod.status.progress();
        tokio::time::sleep(LOOK_EVERY).await;
        end_idle(client).await?;
        let seen = in_the_way(client).await?;
        // Who came later may come for ever, and goes by itself.
        first.retain(|transaction, _| seen.contains_key(transaction));
    }
}

fn blocker(found: &OnTables) -> DrainBlocker {
    let OnTables { backend, role, application, is_own_role, .. } = found.clone();
    DrainBlocker::Session { pid: backend, role, application, is_own: is_own_role }
}
