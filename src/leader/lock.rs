//! Leader election: a session advisory lock in the site's database, and a heartbeat that proves that the leader is
//! alive.
//!
//! ```text
//!            taken by us                    10 s without a successful heartbeat
//!   Waiting ─────────────▶ Leading ────────────────────────────────────────────▶ Lost
//!      ▲                      │                     (the step is killed)
//!      └── taken by another   └── released: the row's holder is cleared, the session ends
//! ```
//!
//! The lock is held by a separate connection with short keepalives. A pod that does not get the lock waits, shows the
//! holder, and takes over from a dead one (`takeover`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_postgres::{Client, Error};

use super::sighting::LeaderWatch;
use super::takeover::{LockHolderWatch, end_old_sessions};
use crate::outcome::{Fault, Result};
use crate::postgres::Connection;
use crate::postgres::advisory_lock::{self, LockHolder};
use crate::postgres::sql::sql_fault;
use crate::record::schema;
use crate::record::state::{self, State};
use crate::record::timing::{
    HEARTBEAT_AFTER_PAUSE, HEARTBEAT_INTERVAL, LOCK_RETRY_INTERVAL, LOST_AFTER, SESSION_ENDS_WITHIN,
};
use crate::status::handle::StatusHandle;
use crate::status::operation::NotReady;

/// The right to change the site. It ends when this value is dropped.
pub struct Leadership {
    connection: Arc<Connection>,
    site: String,
    status: StatusHandle,
    heartbeat: Option<Heartbeat>,
}

/// The task that sends the heartbeat. It ends when this value is dropped.
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
    /// Waits for the lock, showing its holder.
    ///
    /// # Errors
    /// 75 if no leader sent a heartbeat for ten minutes, or the connection is lost.
    pub async fn acquire(connection: Connection, site: &str, status: &StatusHandle) -> Result<Self> {
        let mut leader = LeaderWatch::new(status);
        let mut holder = LockHolderWatch::default();
        state::listen(&connection).await;
        loop {
            // A connection that stalls neither answers nor ends, so each try has a time limit.
            let attempted = tokio::time::timeout(LOST_AFTER, attempt(&connection, site, &mut holder)).await;
            match attempted.map_err(|_| stalled())?? {
                LockAttempt::Taken => break,
                LockAttempt::Ended => tokio::time::sleep(SESSION_ENDS_WITHIN).await,
                LockAttempt::Held(state) => {
                    leader.show(state.as_deref(), NotReady::HolderUnknown)?;
                    connection.notified(LOCK_RETRY_INTERVAL).await;
                }
            }
        }
        let last = state::read(&connection, site).await.map_err(sql_fault("cannot read our record"))?;
        // A leader that released the lock had waited for the end of its step.
        end_old_sessions(&connection, last.is_none_or(|state| state.holder.is_none())).await?;
        Ok(Self {
            connection: Arc::new(connection),
            site: site.to_string(),
            status: status.clone(),
            heartbeat: None,
        })
    }

    /// Records this pod as the leader and starts the heartbeat. Before this, nothing in the database has been changed.
    pub async fn claim(&mut self, install_id: &str, instance: Option<&str>, holder: &str) -> Result<()> {
        schema::bring_up_to_date(&self.connection).await?;
        state::claim(&self.connection, &self.site, install_id, instance, holder)
            .await
            .map_err(sql_fault("cannot write our record"))?;
        let (lost_tx, lost) = watch::channel(false);
        let task = tokio::spawn(send_heartbeats(
            self.connection.clone(),
            self.site.clone(),
            self.status.clone(),
            lost_tx,
        ));
        self.heartbeat = Some(Heartbeat { lost, task });
        Ok(())
    }

    /// Returns the lock's own session, for reading and writing the record.
    pub fn client(&self) -> &Connection {
        &self.connection
    }

    /// Completes when the lock can no longer be trusted; all work under it must stop then.
    pub fn lost(&self) -> impl Future<Output = Fault> + use<> {
        let lost = self.heartbeat.as_ref().map(|heartbeat| heartbeat.lost.clone());
        async move {
            match lost {
                // The heartbeat task owns the sender: its end means that the leadership ended too.
                Some(mut lost) => drop(lost.wait_for(|lost| *lost).await),
                None => std::future::pending().await,
            }
            Fault::try_again(
                format!("no heartbeat could be written to the database for {} s", LOST_AFTER.as_secs()),
                "another pod may have the lock now; start again when PostgreSQL can be reached",
            )
        }
    }

    /// Records that no pod leads, and ends the session.
    pub async fn release(self) {
        if let Err(error) = state::release(&self.connection, &self.site).await {
            tracing::debug!(
                event = "leader.release_failed",
                %error,
                "the leader's name stays in the record; the lock ends with the session"
            );
        }
    }
}

/// Returns the session that holds the lock; changes nothing.
pub async fn holding_session(client: &Client) -> std::result::Result<Option<LockHolder>, Error> {
    advisory_lock::holder(client, advisory_lock::key::BOOTSTRAP).await
}

/// The result of one try.
enum LockAttempt {
    Taken,
    /// The session of a dead leader was ended.
    Ended,
    /// The lock is held by another session; our record may name its pod.
    Held(Option<Box<State>>),
}

async fn attempt(connection: &Connection, site: &str, holder: &mut LockHolderWatch) -> Result<LockAttempt> {
    if try_lock(connection).await? {
        return Ok(LockAttempt::Taken);
    }
    let state = state::read(connection, site).await.map_err(sql_fault("cannot read our record"))?;
    Ok(if holder.end_if_dead(connection, state.as_ref()).await? {
        LockAttempt::Ended
    } else {
        LockAttempt::Held(state.map(Box::new))
    })
}

fn stalled() -> Fault {
    Fault::try_again(
        format!("PostgreSQL has not answered for {} s", LOST_AFTER.as_secs()),
        "start again when it can be reached",
    )
}

async fn try_lock(connection: &Connection) -> Result<bool> {
    let taken = advisory_lock::try_take(connection, advisory_lock::key::BOOTSTRAP).await;
    taken.map_err(sql_fault("cannot take the bootstrap lock"))
}

async fn send_heartbeats(
    connection: Arc<Connection>,
    site: String,
    status: StatusHandle,
    lost: watch::Sender<bool>,
) {
    let mut last_success = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT_INTERVAL) => {}
            // The lock ended with its session.
            reason = connection.closed() => {
                tracing::error!(event = "leader.lock_lost", reason, "the session that holds the bootstrap lock ended");
                break;
            }
        }
        let left = time_for_heartbeat(last_success.elapsed());
        match tokio::time::timeout(left, state::heartbeat(&connection, &site, &status.read().doing())).await {
            Ok(Ok(())) => last_success = Instant::now(),
            Ok(Err(error)) => tracing::warn!(event = "leader.heartbeat_failed", %error, "a heartbeat failed"),
            Err(_) => break,
        }
        if last_success.elapsed() >= LOST_AFTER {
            break;
        }
    }
    let _ = lost.send(true);
}

/// The time for the next heartbeat after `silent_for` without one. A process that was paused still sends one: its
/// success proves that the session, and so the lock, is still its own.
fn time_for_heartbeat(silent_for: Duration) -> Duration {
    LOST_AFTER.saturating_sub(silent_for).max(HEARTBEAT_AFTER_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_leader_sends_one_more_heartbeat_before_it_gives_up() {
        assert_eq!(time_for_heartbeat(HEARTBEAT_INTERVAL), LOST_AFTER - HEARTBEAT_INTERVAL);
        for paused in [LOST_AFTER, LOST_AFTER * 6] {
            assert_eq!(time_for_heartbeat(paused), HEARTBEAT_AFTER_PAUSE);
        }
    }
}
