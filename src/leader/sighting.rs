//! The pod that leads, as whoever waits for it sees it: its name, what it does, and its beat.

use std::time::{Duration, Instant};

use crate::frappe::progress_line::ProgressLine;
use crate::outcome::{Fault, Result};
use crate::record::phase::SitePhase;
use crate::record::state::State;
use crate::record::timing::{LEADER_ALIVE_FOR, NOBODY_LEADS_AFTER};
use crate::status::handle::StatusHandle;
use crate::status::operation::{LeaderWait, NotReady, Operation};

/// What was seen so far.
pub struct Leader<'a> {
    status: &'a StatusHandle,
    told: Option<LeaderWait>,
    sign_of_life_at: Instant,
}

impl<'a> Leader<'a> {
    pub fn new(status: &'a StatusHandle) -> Self {
        Self { status, told: None, sign_of_life_at: Instant::now() }
    }

    /// Shows a look at our record; `otherwise` is what is waited for where it names nobody. The
    /// leader's beat is a follower's progress.
    ///
    /// # Errors
    /// 75 where nobody has given a sign of life for ten minutes.
    pub fn see(&mut self, state: Option<&State>, otherwise: NotReady) -> Result<()> {
        let holder = state.and_then(|state| state.holder.clone());
        if state.and_then(|state| state.beat_age_ms).is_some_and(is_alive) {
            self.sign_of_life_at = Instant::now();
            self.status.progress();
        }
        let is_complete = state.is_some_and(|state| state.phase == SitePhase::Complete);
        let wait = match holder.clone() {
            Some(holder) => LeaderWait::Led { holder, is_complete },
            None => LeaderWait::Unled(otherwise),
        };
        let reported = state.and_then(|state| state.doing.as_deref()).map(ProgressLine::parse);
        self.status.update(|status| {
            status.operation = Some(Operation::WaitingForLeader { wait: wait.clone(), reported });
            status.holder = holder;
            status.attempt = state.and_then(|state| state.attempt.clone());
            status.last_error = state.and_then(|state| state.last_error.clone());
        });
        if self.told.as_ref() != Some(&wait) {
            tracing::info!(reason = wait.to_string(), "waiting for the pod that leads the bootstrap");
            self.told = Some(wait.clone());
        }
        if is_gone(self.sign_of_life_at.elapsed()) {
            let minutes = NOBODY_LEADS_AFTER.as_secs() / 60;
            return Err(Fault::try_again(
                format!("nobody leads: for {minutes} min no pod gave a sign of life; {wait}"),
                "start a pod with a database login, or look at why the one that has it does not come up",
            ));
        }
        Ok(())
    }
}

pub fn is_alive(beat_age_ms: i64) -> bool {
    u64::try_from(beat_age_ms).is_ok_and(|age| Duration::from_millis(age) < LEADER_ALIVE_FOR)
}

fn is_gone(silent_for: Duration) -> bool {
    silent_for >= NOBODY_LEADS_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beaten(beat_age_ms: i64) -> State {
        State {
            phase: SitePhase::Creating,
            attempt: Some("a1".into()),
            install_id: "i".into(),
            instance: None,
            holder: Some("pod-1".into()),
            backend_pid: None,
            beat_age_ms: Some(beat_age_ms),
            doing: Some("new-site: 40 %".into()),
            ..State::default()
        }
    }

    #[test]
    fn what_the_leader_does_is_shown() {
        let status = StatusHandle::new("worker", None);
        let mut leader = Leader::new(&status);
        leader.see(None, NotReady::AppsNotPublished).unwrap();
        assert_eq!(status.read().detail(), "the wanted apps are not published yet");
        leader.see(Some(&beaten(1_000)), NotReady::Unfinished).unwrap();
        assert_eq!(status.read().detail(), "the site is not finished; pod-1 leads: new-site: 40 %");
        assert_eq!(status.read().holder.as_deref(), Some("pod-1"));
    }

    #[test]
    fn a_beat_keeps_the_wait_alive_and_an_old_one_does_not() {
        let status = StatusHandle::new("worker", None);
        let long_ago = Instant::now().checked_sub(NOBODY_LEADS_AFTER).unwrap();
        let mut leader = Leader { sign_of_life_at: long_ago, ..Leader::new(&status) };
        leader.see(Some(&beaten(29_000)), NotReady::Unfinished).unwrap();
        let mut leader = Leader { sign_of_life_at: long_ago, ..Leader::new(&status) };
        let fault = leader.see(Some(&beaten(31_000)), NotReady::Unfinished).unwrap_err();
        assert!(fault.code == crate::outcome::TRY_AGAIN && fault.cause.contains("pod-1"), "{fault}");
    }
}
