//! Backups and migrations take turns: a lock in the site's database that backups share and a migration takes alone. A
//! dump holds a lock on every table, for which the migration's `ALTER TABLE` would wait; and a dump that waits for a
//! migration would contain half of it.
//!
//! ```text
//!   backup:     waits while a migration has the lock, at most 2 h; then shares it until its dump has ended
//!   migration:  waits while a backup shares it, within its drain, before it changes anything (migrate::turn)
//! ```

use std::time::{Duration, Instant};

use super::site::Site;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::postgres::advisory_lock::{self, key};
use crate::postgres::sql::sql_fault;

const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Longer than a migration with its drain usually takes.
const LIMIT: Duration = Duration::from_secs(2 * 3600);
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Gives the turn back once the dump has ended. Otherwise it ends with the session.
///
/// # Errors
/// 75 if the session was lost.
pub async fn release(site: &Site) -> Result<()> {
    advisory_lock::release_all(&site.connection)
        .await
        .map_err(sql_fault("cannot release the lock of backups"))
}

/// Waits for the turn.
///
/// # Errors
/// 75 if a migration still runs after two hours; a signal.
pub async fn take(pod: &Pod, site: &Site) -> Flow<()> {
    let wait = async {
        let started = Instant::now();
        let mut logged: Option<Instant> = None;
        while !advisory_lock::try_share(&site.connection, key::BACKUP)
            .await
            .map_err(sql_fault("cannot take the lock of backups"))?
        {
            if started.elapsed() >= LIMIT {
                let cause = "a migration of the site has been running for two hours".to_string();
                return Err(Fault::try_again(
                    cause,
                    "see `status`; start the backup again when it has ended",
                )
                .named(Refusal::MigrationRunning)
                .into());
            }
            if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                let waited_s = started.elapsed().as_secs();
                tracing::info!(
                    event = "backup.waiting_for_migration",
                    waited_s,
                    "waiting until the migration of the site has ended"
                );
                logged = Some(Instant::now());
            }
            pod.status.progress();
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    };
    pod.shutdown.guard(wait).await
}
