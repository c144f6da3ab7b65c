//! The site held for a restore: the lock in its database, the exclusive lock on its volume, and no sessions of others.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

use crate::create::login::Opened;
use crate::leader::context::Context;
use crate::leader::lock::Leadership;
use crate::leader::own::Own;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::postgres::sessions;
use crate::postgres::sql::sql_fault;
use crate::record::exclusive_lock::{ExclusiveLock, HeldLock, Holder};
use crate::record::state;
use crate::record::timing::EXCLUSIVE_LOCK_SEEN_WITHIN;
use crate::record::volume::Volume;

/// The word that begins the name of our exclusive lock's holder.
const COMMAND: &str = "restore";
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Added to the longest queue's timeout: a worker's grace period.
const WORKER_MARGIN: Duration = Duration::from_secs(60);

/// What is known once the lock is held.
pub struct Held<'a> {
    pub context: &'a Context<'a>,
    pub volume: Volume,
    pub leadership: Leadership,
    pub own: Own,
    pub password: SecretString,
    pub install_id: String,
    /// Keeps every pod from the site until it is dropped.
    _exclusive: HeldLock,
}

/// Takes the lock in the database, then the one on the volume, and waits until nobody uses the site.
pub async fn take<'a>(context: &'a Context<'a>, volume: Volume, opened: (Opened, Own)) -> Result<Held<'a>> {
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
    let lock = ExclusiveLock::of(&context.pod.bench, context.site);
    let holder = Holder::new(COMMAND);
    // A living restore would have the lock in the database, which is ours.
    let is_dead_restore = lock.holder().is_some_and(|holder| holder.command == COMMAND);
    let exclusive = if is_dead_restore { lock.take(&holder)? } else { lock.acquire(&holder)? };
    tracing::info!(
        event = "site.exclusive_lock_acquired",
        site = context.site,
        "acquired the site's exclusive lock; waiting until every pod has stopped its roles"
    );
    wait_for_sessions(context, &leadership).await?;
    exclusive.is_ours()?;
    Ok(Held { context, volume, leadership, own, password, install_id, _exclusive: exclusive })
}

async fn wait_for_sessions(context: &Context<'_>, leadership: &Leadership) -> Result<()> {
    let config = &context.pod.config;
    let longest = config.workers.timeouts.values().max().copied().unwrap_or_default();
    let deadline = Instant::now() + longest + WORKER_MARGIN;
    let mut logged = String::new();
    if context.pod.bench.site(context.site).exists() {
        // By then each pod has signalled its children, if its drain is no longer than ours.
        tokio::time::sleep(EXCLUSIVE_LOCK_SEEN_WITHIN + config.drain).await;
    }
    loop {
        let foreign = sessions::foreign_sessions(leadership.client())
            .await
            .map_err(sql_fault("cannot read the sessions of the site's database"))?;
        if foreign.is_empty() {
            return Ok(());
        }
        let names: Vec<String> =
            foreign.iter().map(|session| format!("{} ({})", session.role, session.application)).collect();
        let names = names.join(", ");
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
