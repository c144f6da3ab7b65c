//! The last phase of a stop: ends processes that left their group with setsid or a double fork
//! (docs/hazards.md#escaped-processes).
//!
//! PID 1 reaches them with `kill(-1)`. Otherwise this process is their subreaper and walks its own children: when
//! one ends, its children become ours and the next check finds them. `kill(-1)` is never used outside of PID 1,
//! where it would signal every process of this user.

use std::collections::HashSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout};

use super::process::Processes;
use crate::backoff::Backoff;
use crate::sys::process as kernel;

/// Only an uninterruptible sleep makes the end after KILL take longer.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for processes that are not our descendants.
const FOREIGN_TIMEOUT: Duration = Duration::from_secs(1);
/// The interval of checks; SIGCHLD triggers an immediate check.
const POLL: Backoff = Backoff::doubling(Duration::from_millis(1), Duration::from_millis(50));

impl Processes {
    /// Ends all remaining descendants: TERM, then after `grace` or once `force` completes, KILL. Costs nothing
    /// if there are none. Returns true if no process is left.
    pub async fn sweep(&self, grace: Duration, force: impl Future<Output = ()>) -> bool {
        let ended = tokio::select! {
            biased;
            ended = self.end_all(Signal::SIGTERM, grace) => ended,
            () = force => false,
        };
        ended || self.end_all(Signal::SIGKILL, KILL_TIMEOUT).await
    }

    async fn end_all(&self, signal: Signal, within: Duration) -> bool {
        let begin = Instant::now();
        let mut signaled = HashSet::new();
        let mut reaped = self.reaped();
        let mut polls = POLL.delays();
        loop {
            let within = match self.remaining() {
                Remaining::None => return true,
                Remaining::Foreign => within.min(FOREIGN_TIMEOUT),
                Remaining::Children => within,
            };
            signal_all(signal, &mut signaled);
            if begin.elapsed() >= within {
                return false;
            }
            let _ = timeout(polls.next_delay(), reaped.changed()).await;
        }
    }

    fn remaining(&self) -> Remaining {
        if self.reap() {
            Remaining::Children
        } else if kernel::signal_all(None) {
            Remaining::Foreign
        } else {
            Remaining::None
        }
    }
}

/// The processes that remain besides this one.
enum Remaining {
    Children,
    /// Only processes that entered the container from outside (`docker exec`): an interactive shell
    /// ignores TERM, and must not delay our exit.
    Foreign,
    None,
}

/// Signals each process once: some programs count their TERMs.
///
/// Nothing is reaped between reading /proc and the signal: both happen here, on the only thread.
fn signal_all(signal: Signal, signaled: &mut HashSet<i32>) {
    if kernel::is_init() {
        // One call reaches all processes and is recorded as pid 1, our own. KILL is repeated because it may
        // miss processes that were being forked.
        if signaled.insert(1) || signal == Signal::SIGKILL {
            kernel::signal_all(Some(signal));
        }
        return;
    }
    for child in kernel::children() {
        if signaled.insert(child) {
            kernel::signal(child, signal);
        }
    }
}
