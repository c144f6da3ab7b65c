//! Backups take turns with migrations and restores: a lock in the site's database that backups share, and that a
//! migration or a restore takes alone. A dump holds a lock on every table, for which the migration's `ALTER TABLE` would
//! wait; and a dump that waits for a migration would contain half of it. During a restore, schema public is another one:
//! a dump would contain the tables of one and the rows of the other.
//!
//! ```text
//!   backup:     waits while another command has the exclusive lock of the site, without a session;
//!               then while a migration has the lock, each at most 2 h; then shares it until its dump has ended
//!   migration:  waits while a backup shares it, within its drain, before it changes anything (migrate::turn)
//!   restore:    waits while a backup shares it, before it changes anything (restore::hold)
//! ```

use std::time::{Duration, Instant};

use super::site::Site;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::postgres::advisory_lock::{self, key};
use crate::postgres::sql::sql_fault;
use crate::record::exclusive_lock::ExclusiveLock;
use crate::record::restoring::refuse_unfinished;
use crate::record::volume::Volume;

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

/// Waits while another command has the site for itself. No session may be open meanwhile: such a command may be one that
/// drops the database.
///
/// # Errors
/// 75 if it still has the site after two hours; a signal.
pub async fn wait_until_free(pod: &Pod, site: &str) -> Flow<()> {
    let lock = ExclusiveLock::of(&pod.bench, site);
    let mut waiting = Waiting::new(pod);
    while let Some(holder) = lock.holder() {
        let log = |_| {
            tracing::info!(
                event = "site.waiting_for_exclusive_lock",
                holder = holder.text(),
                "waiting until the site's exclusive lock is free"
            );
        };
        waiting.pause(log, || holder.fault()).await?;
    }
    Ok(())
}

/// Waits for the turn. `holds_the_site` is true in a restore, which takes this backup under its own exclusive lock.
///
/// # Errors
/// 75 if a migration still runs after two hours, if a restore was interrupted, or if another command has just taken the
/// site for itself; a signal.
pub async fn take(pod: &Pod, site: &Site, holds_the_site: bool) -> Flow<()> {
    let mut waiting = Waiting::new(pod);
    while !advisory_lock::try_share(&site.connection, key::BACKUP)
        .await
        .map_err(sql_fault("cannot take the lock of backups"))?
    {
        let log = |waited_s| {
            tracing::info!(
                event = "backup.waiting_for_migration",
                waited_s,
                "waiting until the migration or the restore of the site has ended"
            );
        };
        let fault = || {
            let cause = "a migration or a restore of the site has been running for two hours";
            Fault::try_again(cause, "see `status`; start the backup again when it has ended")
                .named(Refusal::MigrationRunning)
        };
        waiting.pause(log, fault).await?;
    }
    let holder = ExclusiveLock::of(&pod.bench, &site.name).holder();
    if let Some(holder) = holder.filter(|_| !holds_the_site) {
        return Err(holder.fault().into());
    }
    let volume = Volume::read_only(pod.bench.cauldron_site(&site.name));
    Ok(refuse_unfinished(volume.restoring()?.as_ref())?)
}

/// A wait that is logged once a minute.
struct Waiting<'a> {
    pod: &'a Pod,
    started: Instant,
    logged: Option<Instant>,
}

impl<'a> Waiting<'a> {
    fn new(pod: &'a Pod) -> Self {
        Self { pod, started: Instant::now(), logged: None }
    }

    /// Waits a moment. `log` gets the seconds that it has waited.
    ///
    /// # Errors
    /// The fault, if this wait has reached its limit; a signal.
    async fn pause(&mut self, log: impl FnOnce(u64), fault: impl FnOnce() -> Fault) -> Flow<()> {
        if self.started.elapsed() >= LIMIT {
            return Err(fault().into());
        }
        if self.logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            log(self.started.elapsed().as_secs());
            self.logged = Some(Instant::now());
        }
        self.pod.status.progress();
        let pause = async {
            tokio::time::sleep(POLL_INTERVAL).await;
            Ok(())
        };
        self.pod.shutdown.guard(pause).await
    }
}
