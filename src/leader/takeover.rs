//! Takes over from a dead leader, and ends the sessions that its steps left.
//!
//! The session of a lock holder is ended if the holder's heartbeat is older than 30 s: its supervisor has killed its
//! step by then, or is unable to. Once we have the lock, all sessions of older attempts are ended. Unless the last
//! leader released the lock, this repeats until none was seen for 2 s. So no step of an old attempt has a session once
//! a new leader works.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::lock::holding_session;
use crate::outcome::Result;
use crate::postgres::sessions::{self, EndedSession};
use crate::postgres::sql::sql_fault;
use crate::record::state::State;
use crate::record::timing::{
    FIRST_HEARTBEAT_WITHIN, LEADER_ALIVE_FOR, NO_OLD_SESSION_FOR, OLD_SESSIONS_INTERVAL,
};

/// Watches the current lock holder from one try to the next.
#[derive(Default)]
pub struct LockHolderWatch {
    /// The holder's backend, and since when it has been seen to hold the lock.
    seen: Option<(i32, Instant)>,
}

impl LockHolderWatch {
    /// Ends the session of the lock holder if it is dead. Returns true if it was ended.
    pub async fn end_if_dead(&mut self, client: &Client, state: Option<&State>) -> Result<bool> {
        let holder = holding_session(client)
            .await
            .map_err(sql_fault("cannot find out which session holds the bootstrap lock"))?;
        let Some(pid) = holder.map(|session| session.pid) else { return Ok(false) };
        let since = match self.seen {
            Some((seen, since)) if seen == pid => since,
            _ => Instant::now(),
        };
        self.seen = Some((pid, since));
        let own_heartbeat_age =
            state.filter(|state| state.backend_pid == Some(pid)).and_then(|state| state.heartbeat_age_ms);
        if !is_dead(own_heartbeat_age, since.elapsed()) {
            return Ok(false);
        }
        let holder = state.and_then(|state| state.holder.as_deref()).unwrap_or("a pod");
        tracing::warn!(
            event = "leader.ended_dead",
            holder,
            backend = pid,
            "ending the session of a leader without a heartbeat"
        );
        sessions::end(client, pid).await.map_err(sql_fault("cannot end the session of the dead leader"))?;
        Ok(true)
    }
}

/// True if the holder is dead. Only a heartbeat of the present holder counts: the one before may be years old.
fn is_dead(own_heartbeat_age_ms: Option<i64>, seen_for: Duration) -> bool {
    match own_heartbeat_age_ms {
        Some(age) => u64::try_from(age).is_ok_and(|age| Duration::from_millis(age) > LEADER_ALIVE_FOR),
        None => seen_for > FIRST_HEARTBEAT_WITHIN,
    }
}

/// Ends the sessions that older attempts left in the database. `clean` means that the last leader released the lock:
/// then one pass is enough.
pub async fn end_old_sessions(client: &Client, clean: bool) -> Result<()> {
    let mut none_since = Instant::now();
    loop {
        if end_other_attempts(client, "").await? > 0 {
            none_since = Instant::now();
        } else if clean || none_since.elapsed() >= NO_OLD_SESSION_FOR {
            return Ok(());
        }
        tokio::time::sleep(OLD_SESSIONS_INTERVAL).await;
    }
}

/// Ends every session of a step of another attempt; returns how many there were. A step whose supervisor hangs may log
/// in again at any time.
pub async fn end_other_attempts(client: &Client, attempt: &str) -> Result<usize> {
    let ended = sessions::end_other_steps(client, attempt).await;
    let ended = ended.map_err(sql_fault("cannot end the sessions of an older attempt"))?;
    for EndedSession { backend, application } in &ended {
        tracing::info!(
            event = "leader.old_session_ended",
            backend,
            application,
            "ended a session of an older attempt"
        );
    }
    Ok(ended.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_dead_by_its_own_heartbeat_or_by_its_silence() {
        let (second, minutes) = (Duration::from_secs(1), Duration::from_secs(120));
        assert!(!is_dead(Some(29_000), minutes));
        assert!(is_dead(Some(31_000), second));
        assert!(!is_dead(None, Duration::from_secs(59)), "it may not have claimed the leadership yet");
        assert!(is_dead(None, minutes));
    }
}
