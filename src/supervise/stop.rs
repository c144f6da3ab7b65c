//! Stopping a child and all of its group (docs/hazards.md#surviving-process-group).
//!
//! ```text
//!   leader runs ── TERM leader ──▶ leader ends ── TERM group ──▶ nobody left ▶ done
//!        │                             │                              ▲
//!        └────────── grace over, or hurry ── KILL group ──────────────┘
//! ```
//!
//! TERM goes to the leader alone: gunicorn and RQ tell their own children, and a TERM to the whole
//! group would end an RQ work-horse and with it a job.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::process::Child;
use crate::backoff::Backoff;
use crate::sys::exit::Exit;

/// What a stop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReport {
    pub exit: Exit,
    /// The grace was over (or somebody was in a hurry) and KILL had to be used.
    pub killed: bool,
    /// Nobody of the group is left. False only for processes that even KILL does not end: in an
    /// uninterruptible sleep, or of another user.
    pub empty: bool,
}

/// After KILL nothing but an uninterruptible sleep takes longer.
const KILL_TAKES_AT_MOST: Duration = Duration::from_secs(5);
/// Between two looks at a group; SIGCHLD makes us look at once.
const POLL: Backoff = Backoff::doubling(Duration::from_millis(1), Duration::from_millis(50));

impl Child {
    /// Asks with `signal`, waits for the grace or until `hurry` ends, then kills. On a child that
    /// has already ended it clears what is left of its group.
    pub async fn stop(&self, signal: Signal, grace: Duration, force: impl Future<Output = ()>) -> StopReport {
        self.stop_with(signal, grace, force, || ()).await
    }

    /// The same; `before_kill` sees the group a last time while it is whole.
    pub async fn stop_with(
        &self,
        signal: Signal,
        grace: Duration,
        force: impl Future<Output = ()>,
        before_kill: impl FnOnce(),
    ) -> StopReport {
        let deadline = Instant::now() + grace;
        self.signal(signal);
        let all_gone = async {
            self.exited().await;
            if self.group_exists() {
                self.signal_group(Signal::SIGTERM);
                self.group_empty().await;
            }
        };
        let killed = tokio::select! {
            biased;
            () = all_gone => false,
            () = force => true,
            () = sleep_until(deadline) => true,
        };
        let mut empty = true;
        if killed {
            before_kill();
            self.signal_group(Signal::SIGKILL);
            let end = Instant::now() + KILL_TAKES_AT_MOST;
            empty = timeout_at(end, self.group_empty()).await.is_ok();
        }
        // What cannot be killed has no exit; KILL is what will end it.
        let exit = self.exit().unwrap_or(Exit::Signaled(Signal::SIGKILL as i32));
        StopReport { exit, killed, empty }
    }

    /// Ends when nobody is left in the group; the leader counts.
    async fn group_empty(&self) {
        let mut reaped = self.processes().reaped();
        let mut polls = POLL.delays();
        while self.group_exists() {
            let _ = tokio::time::timeout(polls.next_delay(), reaped.changed()).await;
        }
    }
}
