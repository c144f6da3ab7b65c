//! One leader: a session advisory lock in the site's database, and a beat that proves it is alive.
//!
//! ```text
//!            taken by us                    10 s without a beat that succeeded
//!   Waiting ─────────────▶ Leading ────────────────────────────────────────────▶ Lost
//!      ▲                      │                     (the step is killed)
//!      └── taken by another   └── released: the row's holder is cleared, the session ends
//! ```
//!
//! The lock lives on a connection of its own with short keepalives. Who does not get it waits, shows
//! who has it, and takes over from who is dead (`takeover`).

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio_postgres::{Client, Error};

use super::sighting::Leader;
use super::takeover::{Rival, end_old_sessions};
use crate::outcome::{Fault, Result};
use crate::postgres::Connection;
use crate::postgres::advisory_lock::{self, LockHolder};
use crate::postgres::sql::sql_fault;
use crate::record::schema;
use crate::record::state::{self, State};
use crate::record::timing::{HEARTBEAT_INTERVAL, LOCK_RETRY_INTERVAL, LOST_AFTER, SESSION_ENDS_WITHIN};
use crate::status::handle::StatusHandle;
use crate::status::operation::NotReady;

/// The same in every database: the lock is the database's own.
const BOOTSTRAP_LOCK: i64 = 0x6361_756c_626f_6f74; // "caulboot"

/// The right to change the site. It ends with this value.
pub struct Leadership {
    connection: Arc<Connection>,
    site: String,
    status: StatusHandle,
    beat: Option<Heartbeat>,
}

/// The task that writes the beat; it ends with this value.
struct Heartbeat {
    lost: watch::Receiver<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Leadership {
    /// Waits for the lock, showing who holds it.
    ///
    /// # Errors
    /// 75 where nobody gave a sign of life for ten minutes, or the connection is lost.
    pub async fn acquire(connection: Connection, site: &str, status: &StatusHandle) -> Result<Self> {
        let mut leader = Leader::new(status);
        let mut rival = Rival::default();
        state::listen(&connection).await;
        loop {
            // A connection that stalls answers nothing and does not end: nobody is to wait on it for ever.
            let asked = tokio::time::timeout(LOST_AFTER, ask(&connection, site, &mut rival)).await;
            match asked.map_err(|_| stalled())?? {
                Asked::Taken => break,
                Asked::Ended => tokio::time::sleep(SESSION_ENDS_WITHIN).await,
                Asked::Held(state) => {
                    leader.see(state.as_deref(), NotReady::HolderUnknown)?;
                    connection.notified(LOCK_RETRY_INTERVAL).await;
                }
            }
        }
        let last = state::read(&connection, site).await.map_err(sql_fault("cannot read our state"))?;
        // A leader that said good-bye waited for its step's end.
        end_old_sessions(&connection, last.is_none_or(|state| state.holder.is_none())).await?;
        Ok(Self {
            connection: Arc::new(connection),
            site: site.to_string(),
            status: status.clone(),
            beat: None,
        })
    }

    /// Writes who leads, and beats from now on. Until here nothing in the database was changed.
    pub async fn claim(&mut self, install_id: &str, instance: Option<&str>, holder: &str) -> Result<()> {
        schema::bring_up_to_date(&self.connection).await?;
        state::claim(&self.connection, &self.site, install_id, instance, holder)
            .await
            .map_err(sql_fault("cannot write our state"))?;
        let (lost_tx, lost) = watch::channel(false);
        let task = tokio::spawn(keep_beating(
            self.connection.clone(),
            self.site.clone(),
            self.status.clone(),
            lost_tx,
        ));
        self.beat = Some(Heartbeat { lost, task });
        Ok(())
    }

    /// The lock's own session, for the state.
    pub fn client(&self) -> &Connection {
        &self.connection
    }

    /// Ends when the lock can no longer be believed in; whatever runs under it must stop then.
    pub fn lost(&self) -> impl Future<Output = Fault> + use<> {
        let lost = self.beat.as_ref().map(|beat| beat.lost.clone());
        async move {
            match lost {
                // The sender goes with the beat, which goes with this leadership: nobody leads then.
                Some(mut lost) => drop(lost.wait_for(|lost| *lost).await),
                None => std::future::pending().await,
            }
            Fault::try_again(
                format!("no sign of life could be written to the database for {} s", LOST_AFTER.as_secs()),
                "the lock may be another pod's now; start again when PostgreSQL can be reached",
            )
        }
    }

    /// Says that nobody leads, and ends the session.
    pub async fn release(self) {
        if let Err(error) = state::release(&self.connection, &self.site).await {
            tracing::debug!(%error, "the holder's name stays in the state; the lock ends with the session");
        }
    }
}

/// Who has the lock, for who only looks.
pub async fn holding_session(client: &Client) -> std::result::Result<Option<LockHolder>, Error> {
    advisory_lock::holder(client, BOOTSTRAP_LOCK).await
}

/// What one try came to.
enum Asked {
    Taken,
    /// A dead leader's session was told to end.
    Ended,
    /// By whom our record says.
    Held(Option<Box<State>>),
}

async fn ask(connection: &Connection, site: &str, rival: &mut Rival) -> Result<Asked> {
    if try_lock(connection).await? {
        return Ok(Asked::Taken);
    }
    let state = state::read(connection, site).await.map_err(sql_fault("cannot read our state"))?;
    Ok(if rival.look(connection, state.as_ref()).await? {
        Asked::Ended
    } else {
        Asked::Held(state.map(Box::new))
    })
}

fn stalled() -> Fault {
    Fault::try_again(
        format!("PostgreSQL has not answered for {} s", LOST_AFTER.as_secs()),
        "start again when it can be reached",
    )
}

async fn try_lock(connection: &Connection) -> Result<bool> {
    let taken = advisory_lock::try_take(connection, BOOTSTRAP_LOCK).await;
    taken.map_err(sql_fault("cannot take the bootstrap lock"))
}

async fn keep_beating(
    connection: Arc<Connection>,
    site: String,
    status: StatusHandle,
    lost: watch::Sender<bool>,
) {
    let mut last_success = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT_INTERVAL) => {}
            // A session that ended took the lock with it.
            reason = connection.closed() => {
                tracing::error!(reason, "the session that holds the bootstrap lock ended");
                break;
            }
        }
        let left = LOST_AFTER.saturating_sub(last_success.elapsed());
        match tokio::time::timeout(left, state::heartbeat(&connection, &site, &status.read().doing())).await {
            Ok(Ok(())) => last_success = Instant::now(),
            Ok(Err(error)) => tracing::warn!(%error, "a beat failed"),
            Err(_) => break,
        }
        if last_success.elapsed() >= LOST_AFTER {
            break;
        }
    }
    let _ = lost.send(true);
}
