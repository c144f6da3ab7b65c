//! The driver's part in the end of a child: telling it, clearing up after it, and saying how it was.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::{CRASH, DONE, Driver, End, OUT_OF_MEMORY};
use crate::supervise::hooks::Stop;
use crate::supervise::service::{Event, State};
use crate::supervise::stop::StopReport;
use crate::sys::cgroup;
use crate::sys::exit::Exit;

/// What of the grace is the child's own, at least, whatever comes before it.
const OWN_SHARE: u32 = 4;

/// After the end of a group only escapees hold its output.
const OUTPUT_DRAIN: Duration = Duration::from_millis(100);

impl Driver<'_> {
    pub(super) fn stop(&mut self) {
        self.timer = None;
        let Some(child) = self.child.clone() else { return };
        let signal = self.plan.stop_with.or(self.stop_signal).unwrap_or(Signal::SIGTERM);
        let (grace, shutdown) = (self.plan.policy.grace, self.shutdown.clone());
        let is_running = child.exit().is_none();
        let hooks = self.plan.hooks.clone();
        let stop = Stop { pid: child.pid, grace, for_good: self.service.stop_requested };
        self.stopping = Some(Box::pin(async move {
            let deadline = Instant::now() + grace;
            if is_running {
                tokio::select! {
                    biased;
                    () = hooks.before_stop(stop) => {}
                    _ = child.exited() => {}
                    () = shutdown.forced() => {}
                    () = sleep_until(deadline - grace / OWN_SHARE) => {}
                }
            }
            let grace = deadline.saturating_duration_since(Instant::now());
            child.stop_with(signal, grace, shutdown.forced(), || hooks.before_kill(stop.pid)).await
        }));
        if is_running {
            self.run_after_signal();
        }
    }

    /// Everyone of the group has ended: tell it, and take it back to the machine.
    pub(super) fn cleared(&mut self, report: StopReport) -> Event {
        let name = &self.plan.spec.name;
        // The next child gets it from us, or our own parent does.
        crate::sys::terminal::take_back();
        if report.killed {
            warn!(service = name, exit = %report.exit, "killed: it did not stop within its grace");
        }
        if !report.empty {
            error!(service = name, "processes are left that even SIGKILL does not end");
        }
        let done = self.plan.policy.done_code.is_some_and(|code| report.exit == Exit::Exited(code));
        if self.service.stop_requested || !self.plan.policy.restart {
            debug!(service = name, exit = %report.exit, "stopped");
        } else if self.service.expected || self.service.paused {
            self.reason = if done { DONE } else { self.reason };
            info!(service = name, exit = %report.exit, why = self.reason, "stopped for its role");
        } else {
            let killed = report.exit == Exit::Signaled(Signal::SIGKILL as i32);
            let out_of_memory = killed && cgroup::oom_kills() > self.oom_kills;
            self.reason = if out_of_memory { OUT_OF_MEMORY } else { CRASH };
            warn!(service = name, exit = %report.exit, reason = self.reason, "ended unasked");
        }
        if let Some(child) = &self.child {
            self.plan.hooks.ended(child.pid, &report);
        }
        Event::Cleared(report.exit)
    }

    pub(super) fn forward(&mut self, signal: Signal) {
        if !self.plan.forward.contains(&signal) {
            return;
        }
        let sent = self.child.as_ref().is_some_and(|child| child.signal(signal));
        debug!(service = self.plan.spec.name, %signal, sent, "forwarded a signal");
        if sent && signal == Signal::SIGHUP {
            self.run_after_signal();
        }
    }

    /// Starts after the signal is sent: a new task runs only when this one waits.
    fn run_after_signal(&mut self) {
        self.after_signal.spawn(self.plan.hooks.after_signal());
    }

    pub(super) async fn end(&mut self) -> End {
        if let Some(child) = &self.child {
            child.drained(OUTPUT_DRAIN).await;
        }
        match (self.service.state, self.stop_signal, self.service.last_exit, self.start_error.take()) {
            // Asked during a back-off: the last exit was that of a crash, told already.
            (State::Stopped, Some(signal), exit, _) => {
                End::Asked(signal, exit.filter(|_| self.service.started_at.is_some()))
            }
            (State::Failed, _, _, Some(error)) => End::NotStarted(error),
            (State::Failed, _, Some(exit), None) => {
                error!(service = self.plan.spec.name, %exit, "gave up: a crash loop");
                End::CrashLoop(exit)
            }
            (_, _, exit, _) => End::Ended(exit.unwrap_or(Exit::Exited(0))),
        }
    }
}
