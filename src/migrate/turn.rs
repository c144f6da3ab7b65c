//! A migration and the backups of its site take turns: a backup shares a lock in the site's database while its dump runs,
//! and a migration takes it alone (take_backup::turn). It waits before an attempt is counted, so that a backup costs it none.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, Error};

use crate::leader::context::Context;
use crate::outcome::{Fault, Result};
use crate::postgres::advisory_lock::{self, key};
use crate::postgres::sessions::statement_to_end;
use crate::postgres::sql::sql_fault;
use crate::status::operation::{DrainBlocker, Operation};

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Waits until no backup dumps the database, at most for the drain.
///
/// # Errors
/// 75 with the session of the backup: nothing was changed, and no attempt was counted.
pub async fn take(context: &Context<'_>, client: &Client) -> Result<()> {
    let started = Instant::now();
    let mut logged = false;
    while let Some(pid) = try_take(client).await.map_err(sql_fault("cannot take the lock of backups"))? {
        let blocker = DrainBlocker::Backup { pid };
        if started.elapsed() >= context.pod.config.migrate_drain {
            let cause = format!("{blocker} for {} s", started.elapsed().as_secs());
            let hint = format!("wait for it, or end it ({}); nothing was changed", statement_to_end(pid));
            return Err(Fault::try_again(cause, hint));
        }
        if !std::mem::replace(&mut logged, true) {
            tracing::info!(
                event = "migration.waiting_for_backup",
                backend = pid,
                "waiting until a backup of the site has dumped the database"
            );
        }
        context.pod.status.begin(Operation::WaitingForDrain(blocker));
        // Waiting counts as progress, however long it takes.
        context.pod.status.progress();
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Takes the turn, if no backup dumps the database; otherwise returns the session of one, or 0 if that has just ended.
///
/// # Errors
/// Any error of the server.
pub async fn try_take(client: &Client) -> std::result::Result<Option<i32>, Error> {
    if advisory_lock::try_take(client, key::BACKUP).await? {
        return Ok(None);
    }
    let holder = advisory_lock::holder(client, key::BACKUP).await?;
    Ok(Some(holder.map_or(0, |holder| holder.pid)))
}

/// Gives the turn back, after an attempt.
///
/// # Errors
/// 75 if the session was lost.
pub async fn release(client: &Client) -> Result<()> {
    advisory_lock::release(client, key::BACKUP).await.map_err(sql_fault("cannot release the lock of backups"))
}
