//! Stops a child and its whole process group (docs/hazards.md#surviving-process-group).
//!
//! ```text
//!   leader runs ── TERM leader ──▶ leader ends ── TERM group ──▶ group empty ▶ done
//!        │                             │                              ▲
//!        └────── grace period over, or forced ── KILL group ──────────┘
//! ```
//!
//! TERM goes to the group leader alone: gunicorn and RQ stop their own children, and a TERM to the whole
//! group would end an RQ work-horse and its job.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::process::Child;
use crate::backoff::Backoff;
use crate::sys::exit::Exit;

/// The result of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReport {
    pub exit: Exit,
    /// True if KILL was used, because the grace period was over or the stop was forced.
    pub killed: bool,
    /// True if the group is empty. False only for processes that even KILL does not end: in an
    /// uninterruptible sleep, or of another user.
    pub empty: bool,
}

/// Only an uninterruptible sleep makes the end after KILL take longer.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of checks of a group; SIGCHLD triggers an immediate check.
const POLL: Backoff = Backoff::doubling(Duration::from_millis(1), Duration::from_millis(50));

impl Child {
    /// Sends `signal`, waits for the grace period or until `force` completes, then kills. If the child has
    /// already ended, ends the rest of its group.
    pub async fn stop(&self, signal: Signal, grace: Duration, force: impl Future<Output = ()>) -> StopReport {
        self.stop_with(signal, grace, force, || ()).await
    }

    /// Stops the child as `stop` does, and calls `before_kill` while the group is still complete.
    pub async fn stop_with(
        &self,
        signal: Signal,
        grace: Duration,
        force: impl Future<Output = ()>,
        before_kill: impl FnOnce(),
    ) -> StopReport {
        let deadline = Instant::now() + grace;
        self.signal(signal);
        let all_ended = async {
            self.exited().await;
            if self.group_exists() {
                self.signal_group(Signal::SIGTERM);
                self.group_empty().await;
            }
        };
        let killed = tokio::select! {
            biased;
            () = all_ended => false,
            () = force => true,
            () = sleep_until(deadline) => true,
        };
        let mut empty = true;
        if killed {
            before_kill();
            self.signal_group(Signal::SIGKILL);
            let end = Instant::now() + KILL_TIMEOUT;
            empty = timeout_at(end, self.group_empty()).await.is_ok();
        }
        // A process that cannot be killed yet has no exit; KILL will end it.
        let exit = self.exit().unwrap_or(Exit::Signaled(Signal::SIGKILL as i32));
        StopReport { exit, killed, empty }
    }

    /// Completes when the group, including its leader, is empty.
    async fn group_empty(&self) {
        let mut reaped = self.processes().reaped();
        let mut polls = POLL.delays();
        while self.group_exists() {
            let _ = tokio::time::timeout(polls.next_delay(), reaped.changed()).await;
        }
    }
}
