//! The site held for a restore, in steps:
//!
//! ```text
//!   lead: the lock in its database ──▶ shut: the exclusive lock on its volume ──▶ sessions_gone, backups_gone
//!         (the site is served)               (every pod stops its roles)          (nobody uses the site)
//! ```

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;
use tokio_postgres::{Client, Error};

use crate::create::login::Opened;
use crate::leader::context::Context;
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::migrate::turn;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::postgres::sessions::{self, ForeignSession};
use crate::postgres::sql::sql_fault;
use crate::record::exclusive_lock::{ExclusiveLock, HeldLock, Holder};
use crate::record::state;
use crate::record::timing::EXCLUSIVE_LOCK_SEEN_WITHIN;
use crate::record::volume::Volume;
use crate::status::operation::DrainBlocker;

/// The word that begins the name of our exclusive lock's holder.
const COMMAND: &str = "restore";
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Added to the longest queue's timeout: a worker's grace period.
const WORKER_MARGIN: Duration = Duration::from_secs(60);

/// What is known once the lock in the database is held.
pub struct Held<'a> {
    pub context: &'a Context<'a>,
    pub volume: Volume,
    pub leadership: Leadership,
    pub own: Own,
    pub password: SecretString,
    pub install_id: String,
    shut: Option<Shut>,
}

/// The site shut for all pods, until it is dropped.
struct Shut {
    exclusive: HeldLock,
    /// By then each pod has signalled its children, if its drain is no longer than ours.
    seen_at: Instant,
}

/// Takes the lock in the database. The site stays in service.
pub async fn lead<'a>(context: &'a Context<'a>, volume: Volume, opened: (Opened, Own)) -> Result<Held<'a>> {
    let (Opened { connection, password, .. }, own) = opened;
    let mut leadership = Leadership::acquire(connection, context.site, &context.pod.status).await?;
    let recorded =
        state::read(leadership.client(), context.site).await.map_err(sql_fault("cannot read our record"))?;
    if let Some(state) = recorded {
        // The volume is lost, and the database is still this installation's.
        volume.write_install_id_if_absent(&state.install_id)?;
    }
    let install_id = volume.install_id()?;
    let pod = format!("restore pid {}", std::process::id());
    leadership.claim(&install_id, context.pod.config.instance.as_deref(), &pod).await?;
    Ok(Held { context, volume, leadership, own, password, install_id, shut: None })
}

impl Held<'_> {
    /// Acquires the exclusive lock: every pod stops its roles.
    ///
    /// # Errors
    /// 75 if another command has it; as for any file.
    pub fn shut(&mut self) -> Result<()> {
        let Context { pod, site, .. } = self.context;
        if self.shut.is_some() {
            return Ok(());
        }
        let lock = ExclusiveLock::of(&pod.bench, site);
        let holder = Holder::new(COMMAND);
        // A living restore would have the lock in the database, which is ours.
        let is_dead_restore = lock.holder().is_some_and(|holder| holder.command == COMMAND);
        let exclusive = if is_dead_restore { lock.take(&holder)? } else { lock.acquire(&holder)? };
        // Without a folder of the site, no pod serves it.
        let delay = if pod.bench.site(site).exists() {
            EXCLUSIVE_LOCK_SEEN_WITHIN + pod.config.drain
        } else {
            Duration::ZERO
        };
        self.shut = Some(Shut { exclusive, seen_at: Instant::now() + delay });
        tracing::info!(
            event = "site.exclusive_lock_acquired",
            site,
            "acquired the site's exclusive lock; waiting until every pod has stopped its roles"
        );
        Ok(())
    }

    /// Shuts the site and waits until nobody uses it.
    ///
    /// # Errors
    /// As [`Self::sessions_gone`]; a requested stop.
    pub async fn vacate(&mut self) -> Flow<()> {
        self.shut()?;
        self.context.pod.shutdown.guard(async { Ok(self.sessions_gone().await?) }).await
    }

    /// Gives everything back: first the exclusive lock, so that a backup that waits in the database does not meet it.
    pub async fn release(self) {
        drop(self.shut);
        self.leadership.release().await;
    }

    /// Waits until nobody uses the site, which is shut.
    ///
    /// # Errors
    /// 75 if sessions stay connected, or another command has the exclusive lock.
    pub async fn sessions_gone(&self) -> Result<()> {
        self.wait(false).await
    }

    /// Waits until nobody uses the site, which is shut, and no backup dumps its database. None can begin before the
    /// session of the lock ends.
    ///
    /// # Errors
    /// As [`Self::sessions_gone`]; 75 for a dump that does not end.
    pub async fn backups_gone(&self) -> Result<()> {
        self.wait(true).await
    }

    async fn wait(&self, also_for_backups: bool) -> Result<()> {
        let Some(Shut { exclusive, seen_at }) = &self.shut else { return Ok(()) };
        tokio::time::sleep_until(*seen_at).await;
        wait_for_sessions(self.context, self.leadership.client(), also_for_backups).await?;
        exclusive.is_ours()
    }
}

async fn wait_for_sessions(context: &Context<'_>, client: &Client, also_for_backups: bool) -> Result<()> {
    let config = &context.pod.config;
    let longest = config.workers.timeouts.values().max().copied().unwrap_or_default();
    let deadline = Instant::now() + longest + WORKER_MARGIN;
    let mut logged = String::new();
    loop {
        let names = connected(client, also_for_backups)
            .await
            .map_err(sql_fault("cannot read the sessions of the site's database"))?;
        if names.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let cause = format!("sessions stay connected to the site's database: {names}");
            let hint = "stop the programs that these sessions belong to, then try again; nothing was changed";
            return Err(Fault::try_again(cause, hint).named(Refusal::DatabaseInUse));
        }
        if names != logged {
            tracing::info!(
                event = "site.waiting_for_sessions",
                sessions = names,
                "waiting until no session is connected to the site's database"
            );
            logged = names;
        }
        context.pod.status.progress();
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Who uses the database, in words. Empty if nobody does; then no backup can begin, if we wait for backups.
async fn connected(client: &Client, also_for_backups: bool) -> std::result::Result<String, Error> {
    let foreign = sessions::foreign_sessions(client).await?;
    if foreign.is_empty() && also_for_backups {
        return Ok(turn::try_take(client)
            .await?
            .map_or_else(String::new, |pid| DrainBlocker::Backup { pid }.to_string()));
    }
    let name = |session: &ForeignSession| format!("{} ({})", session.role, session.application);
    Ok(foreign.iter().map(name).collect::<Vec<_>>().join(", "))
}
