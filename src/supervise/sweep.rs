//! The last phase: processes that left their group with setsid or a double fork
//! (docs/hazards.md#escaped-processes).
//!
//! PID 1 reaches them by `kill(-1)`. Anybody else has taken them in as a subreaper and walks its own
//! children: when one ends, its children become ours and are found on the next look. `kill(-1)` is
//! never used outside of PID 1, where it would mean every process of this user.

use std::collections::HashSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout};

use super::process::Processes;
use crate::backoff::Backoff;
use crate::sys::process as kernel;

/// After KILL nothing but an uninterruptible sleep takes longer.
const KILL_TAKES_AT_MOST: Duration = Duration::from_secs(2);
const STRANGERS_GET_AT_MOST: Duration = Duration::from_secs(1);
/// Between two looks; SIGCHLD makes us look at once.
const POLL: Backoff = Backoff::doubling(Duration::from_millis(1), Duration::from_millis(50));

impl Processes {
    /// Ends everything that is left below us: TERM, this long or until `hurry` ends, KILL. Costs
    /// nothing where there is nothing. True if nobody is left.
    pub async fn sweep(&self, grace: Duration, force: impl Future<Output = ()>) -> bool {
        let ended = tokio::select! {
            biased;
            ended = self.end_all(Signal::SIGTERM, grace) => ended,
            () = force => false,
        };
        ended || self.end_all(Signal::SIGKILL, KILL_TAKES_AT_MOST).await
    }

    async fn end_all(&self, signal: Signal, within: Duration) -> bool {
        let begin = Instant::now();
        let mut told = HashSet::new();
        let mut reaped = self.reaped();
        let mut polls = POLL.delays();
        loop {
            let within = match self.left() {
                Left::Nobody => return true,
                Left::Strangers => within.min(STRANGERS_GET_AT_MOST),
                Left::Children => within,
            };
            tell_everyone(signal, &mut told);
            if begin.elapsed() >= within {
                return false;
            }
            let _ = timeout(polls.next_delay(), reaped.changed()).await;
        }
    }

    fn left(&self) -> Left {
        if self.reap() {
            Left::Children
        } else if kernel::signal_everyone(None) {
            Left::Strangers
        } else {
            Left::Nobody
        }
    }
}

/// Who is there besides us.
enum Left {
    Children,
    /// Only processes that came into our container from outside (`docker exec`): an interactive shell
    /// there ignores TERM, and must not hold up our end.
    Strangers,
    Nobody,
}

/// Each process is told once: some count their TERMs.
///
/// Nobody reaps between the look at /proc and the signal: both happen here, on the one thread.
fn tell_everyone(signal: Signal, told: &mut HashSet<i32>) {
    if kernel::is_init() {
        // One call reaches everyone; 1, our own number, stands for it. KILL may have to be repeated
        // for those that were being forked.
        if told.insert(1) || signal == Signal::SIGKILL {
            kernel::signal_everyone(Some(signal));
        }
        return;
    }
    for child in kernel::children() {
        if told.insert(child) {
            kernel::signal(child, signal);
        }
    }
}
