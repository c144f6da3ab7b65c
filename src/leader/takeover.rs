//! Taking over from a leader that is no more, and from what its steps left running.
//!
//! A holder of the lock whose beat is older than 30 s is ended: its supervisor has killed its step by
//! then, or cannot. Once the lock is ours every session of an older attempt is ended, until none was
//! seen for 2 s where the last leader did not say good-bye: no step of an old attempt has a session
//! once a new leader works.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::lock::holding_session;
use crate::outcome::Result;
use crate::postgres::sessions::{self, Ended};
use crate::postgres::sql::sql_fault;
use crate::record::state::State;
use crate::record::timing::{LEADER_ALIVE_FOR, LOOKS_AROUND_FOR, NO_OLD_SESSION_FOR, OLD_SESSIONS_INTERVAL};

/// The holder that is in our way, watched from one look to the next.
#[derive(Default)]
pub struct Rival {
    /// Its backend, and since when we have seen it hold the lock.
    seen: Option<(i32, Instant)>,
}

impl Rival {
    /// Looks at who holds the lock, and ends a holder that is dead. True where one was ended.
    pub async fn look(&mut self, client: &Client, state: Option<&State>) -> Result<bool> {
        let holder =
            holding_session(client).await.map_err(sql_fault("cannot ask who holds the bootstrap lock"))?;
        let Some(pid) = holder.map(|session| session.pid) else { return Ok(false) };
        let since = match self.seen {
            Some((seen, since)) if seen == pid => since,
            _ => Instant::now(),
        };
        self.seen = Some((pid, since));
        let own_beat =
            state.filter(|state| state.backend_pid == Some(pid)).and_then(|state| state.beat_age_ms);
        if !is_dead(own_beat, since.elapsed()) {
            return Ok(false);
        }
        let holder = state.and_then(|state| state.holder.as_deref()).unwrap_or("a pod");
        tracing::warn!(holder, backend = pid, "ending the session of a leader that gives no sign of life");
        sessions::end(client, pid).await.map_err(sql_fault("cannot end the session of the dead leader"))?;
        Ok(true)
    }
}

/// A beat counts only if the present holder wrote it: the one before may have been years ago.
fn is_dead(own_beat_age_ms: Option<i64>, seen_for: Duration) -> bool {
    match own_beat_age_ms {
        Some(age) => u64::try_from(age).is_ok_and(|age| Duration::from_millis(age) > LEADER_ALIVE_FOR),
        None => seen_for > LOOKS_AROUND_FOR,
    }
}

/// Ends what older attempts left in the database. `clean` where the last leader released the lock:
/// then one look is enough.
pub async fn end_old_sessions(client: &Client, clean: bool) -> Result<()> {
    let mut quiet_since = Instant::now();
    loop {
        if end_other_attempts(client, "").await? > 0 {
            quiet_since = Instant::now();
        } else if clean || quiet_since.elapsed() >= NO_OLD_SESSION_FOR {
            return Ok(());
        }
        tokio::time::sleep(OLD_SESSIONS_INTERVAL).await;
    }
}

/// Ends every session of a step that is not of this attempt, and says how many there were. A step
/// whose supervisor hangs may log in again at any time.
pub async fn end_other_attempts(client: &Client, attempt: &str) -> Result<usize> {
    let ended = sessions::end_steps_but(client, attempt).await;
    let ended = ended.map_err(sql_fault("cannot end the sessions of an older attempt"))?;
    for Ended { backend, application } in &ended {
        tracing::info!(backend, application, "ended a session of an older attempt");
    }
    Ok(ended.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_dead_by_its_own_beat_or_by_its_silence() {
        let (second, minutes) = (Duration::from_secs(1), Duration::from_secs(120));
        assert!(!is_dead(Some(29_000), minutes));
        assert!(is_dead(Some(31_000), second));
        assert!(!is_dead(None, Duration::from_secs(59)), "it only looks around");
        assert!(is_dead(None, minutes));
    }
}
