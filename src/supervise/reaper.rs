//! The reaper: takes every child that ended, ours or an orphan.
//!
//! SIGCHLD coalesces (docs/hazards.md#merged-signals), so each one means "look until there is nothing". It
//! outlives every waiter (docs/hazards.md#stop-during-a-step): exit states are booked whether or not somebody
//! asks for them.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::process::Processes;
use crate::sys::wait::{self, Look};

/// Only in case a SIGCHLD was lost to a debugger or a checkpoint; far below one wake-up a second.
const SLOW_TICK: Duration = Duration::from_secs(30);

pub(super) fn start(processes: Processes) -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(SLOW_TICK);
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
    /// Takes all that ended, and tells whoever waits. False where there is no child left at all.
    pub(super) fn reap(&self) -> bool {
        let mut table = self.table();
        let mut found = false;
        // Bounded by the number of children that have changed: each turn takes one.
        let any_left = loop {
            match wait::any() {
                Look::Reaped(pid, exit) => table.book(pid, exit),
                Look::Stopped(pid) => table.suspend_with(pid),
                Look::Nothing => break true,
                Look::Childless => break false,
            }
            found = true;
        };
        table.forget_empty_groups();
        drop(table);
        if found {
            self.tell_reaped();
        }
        any_left
    }
}
