//! The reaper: collects every child that ended, including orphans.
//!
//! SIGCHLD coalesces (docs/hazards.md#merged-signals), so each one means "wait until no ended child is left". The
//! reaper outlives every waiter (docs/hazards.md#stop-during-a-step): exits are recorded even if no task waits
//! for them.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::process::Processes;
use crate::sys::wait::{self, Waited};

/// A safety net for a SIGCHLD lost to a debugger or a checkpoint; far below one wake-up per second.
const REAP_INTERVAL: Duration = Duration::from_secs(30);

pub(super) fn start(processes: Processes) -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(REAP_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ended.recv() => {}
                _ = tick.tick() => {}
            }
            processes.reap();
        }
    });
    Ok(())
}

impl Processes {
    /// Reaps every child that ended, and notifies the waiters. Returns false if no child is left.
    pub(super) fn reap(&self) -> bool {
        let mut table = self.table();
        let mut found = false;
        // Bounded by the number of children that changed state: each iteration takes one.
        let any_left = loop {
            match wait::any() {
                Waited::Reaped(pid, exit) => table.record_exit(pid, exit),
                Waited::Stopped(pid) => table.suspend_with(pid),
                Waited::Nothing => break true,
                Waited::Childless => break false,
            }
            found = true;
        };
        table.forget_empty_groups();
        drop(table);
        if found {
            self.notify_reaped();
        }
        any_left
    }
}
