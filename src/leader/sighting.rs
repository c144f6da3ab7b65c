//! The leader as seen by the pods that wait for it: its name, its activity and its heartbeat.

use std::time::{Duration, Instant};

use crate::frappe::progress_line::ProgressLine;
use crate::outcome::{Fault, Result};
use crate::record::phase::SitePhase;
use crate::record::state::State;
use crate::record::timing::{LEADER_ALIVE_FOR, NO_LEADER_AFTER};
use crate::status::handle::StatusHandle;
use crate::status::operation::{LeaderWait, NotReady, Operation};

/// Follows the leader's heartbeat while this pod waits.
pub struct LeaderWatch<'a> {
    status: &'a StatusHandle,
    logged: Option<LeaderWait>,
    sign_of_life_at: Instant,
}

impl<'a> LeaderWatch<'a> {
    pub fn new(status: &'a StatusHandle) -> Self {
        Self { status, logged: None, sign_of_life_at: Instant::now() }
    }

    /// Shows the record in the status. `otherwise` is the reason to wait if the record names no leader. The leader's
    /// heartbeat counts as progress of this pod.
    ///
    /// # Errors
    /// 75 if no leader has sent a heartbeat for ten minutes.
    pub fn show(&mut self, state: Option<&State>, otherwise: NotReady) -> Result<()> {
        let holder = state.and_then(|state| state.holder.clone());
        if state.and_then(|state| state.heartbeat_age_ms).is_some_and(is_alive) {
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
        if self.logged.as_ref() != Some(&wait) {
            tracing::info!(
                event = "leader.waiting",
                reason = wait.to_string(),
                "waiting for the pod that leads the bootstrap"
            );
            self.logged = Some(wait.clone());
        }
        if is_leaderless(self.sign_of_life_at.elapsed()) {
            let minutes = NO_LEADER_AFTER.as_secs() / 60;
            return Err(Fault::try_again(
                format!("no pod leads: none has sent a heartbeat for {minutes} min; {wait}"),
                "start a pod with a database login, or find out why the one that has it does not come up",
            ));
        }
        Ok(())
    }
}

pub fn is_alive(heartbeat_age_ms: i64) -> bool {
    u64::try_from(heartbeat_age_ms).is_ok_and(|age| Duration::from_millis(age) < LEADER_ALIVE_FOR)
}

fn is_leaderless(silent_for: Duration) -> bool {
    silent_for >= NO_LEADER_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::handle::RoleName;

    fn state_with_heartbeat(heartbeat_age_ms: i64) -> State {
        State {
            phase: SitePhase::Creating,
            attempt: Some("a1".into()),
            install_id: "i".into(),
            instance: None,
            holder: Some("pod-1".into()),
            backend_pid: None,
            heartbeat_age_ms: Some(heartbeat_age_ms),
            doing: Some("new-site: 40 %".into()),
            ..State::default()
        }
    }

    #[test]
    fn the_activity_of_the_leader_is_shown() {
        let status = StatusHandle::new(RoleName::Worker, None);
        let mut leader = LeaderWatch::new(&status);
        leader.show(None, NotReady::AppsNotPublished).unwrap();
        assert_eq!(status.read().detail(), "the wanted apps are not published yet");
        leader.show(Some(&state_with_heartbeat(1_000)), NotReady::Unfinished).unwrap();
        assert_eq!(status.read().detail(), "the site is not finished; pod-1 leads: new-site: 40 %");
        assert_eq!(status.read().holder.as_deref(), Some("pod-1"));
    }

    #[test]
    fn a_fresh_heartbeat_prolongs_the_wait_and_an_old_one_does_not() {
        let status = StatusHandle::new(RoleName::Worker, None);
        let long_ago = Instant::now().checked_sub(NO_LEADER_AFTER).unwrap();
        let mut leader = LeaderWatch { sign_of_life_at: long_ago, ..LeaderWatch::new(&status) };
        leader.show(Some(&state_with_heartbeat(29_000)), NotReady::Unfinished).unwrap();
        let mut leader = LeaderWatch { sign_of_life_at: long_ago, ..LeaderWatch::new(&status) };
        let fault = leader.show(Some(&state_with_heartbeat(31_000)), NotReady::Unfinished).unwrap_err();
        assert!(fault.code == crate::outcome::TRY_AGAIN && fault.cause.contains("pod-1"), "{fault}");
    }
}
