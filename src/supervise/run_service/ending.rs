//! The driver's part in the end of a child: signals, the end of its process group, and the log.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::{CRASH, DONE, Driver, End, OUT_OF_MEMORY};
use crate::supervise::hooks::ChildStop;
use crate::supervise::service::{Event, State};
use crate::supervise::stop::StopReport;
use crate::sys::cgroup;
use crate::sys::exit::Exit;

/// `before_stop` leaves at least 1/4 of the grace period to the child.
const CHILD_GRACE_SHARE: u32 = 4;

/// The wait for remaining output: once a group has ended, only escaped processes keep its pipes open.
const OUTPUT_DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

impl Driver<'_> {
    pub(super) fn stop(&mut self) {
        self.timer = None;
        let Some(child) = self.child.clone() else { return };
        let signal = self.plan.stop_with.or(self.stop_signal).unwrap_or(Signal::SIGTERM);
        let (grace, shutdown) = (self.plan.policy.grace, self.shutdown.clone());
        let is_running = child.exit().is_none();
        let hooks = self.plan.hooks.clone();
        let stop = ChildStop { pid: child.pid, grace, is_final: self.service.stop_requested };
        self.stopping = Some(Box::pin(async move {
            let deadline = Instant::now() + grace;
            if is_running {
                tokio::select! {
                    biased;
                    () = hooks.before_stop(stop) => {}
                    _ = child.exited() => {}
                    () = shutdown.forced() => {}
                    () = sleep_until(deadline - grace / CHILD_GRACE_SHARE) => {}
                }
            }
            let grace = deadline.saturating_duration_since(Instant::now());
            child.stop_with(signal, grace, shutdown.forced(), || hooks.before_kill(stop.pid)).await
        }));
        if is_running {
            self.run_after_signal();
        }
    }

    /// Logs the end of the process group, and returns the event for the state machine.
    pub(super) fn cleared(&mut self, report: StopReport) -> Event {
        let name = &self.plan.spec.name;
        // The terminal goes back to us, and from us to the next child or to our parent.
        crate::sys::terminal::take_back();
        if report.killed {
            warn!(
                event = "process.killed",
                service = name,
                exit = %report.exit,
                "service killed: it did not stop within the grace period"
            );
        }
        if !report.empty {
            error!(
                event = "process.kill_ineffective",
                service = name,
                "processes of the service survived SIGKILL"
            );
        }
        let done = self.plan.policy.done_code.is_some_and(|code| report.exit == Exit::Exited(code));
        if self.service.stop_requested || !self.plan.policy.restart {
            debug!(event = "service.stopped", service = name, exit = %report.exit, "service stopped");
        } else if self.service.expected || self.service.paused {
            self.reason = if done { DONE } else { self.reason };
            info!(
                event = "service.stopped_by_role",
                service = name,
                exit = %report.exit,
                reason = self.reason,
                "service stopped by its role"
            );
        } else {
            let killed = report.exit == Exit::Signaled(Signal::SIGKILL as i32);
            let out_of_memory = killed && cgroup::oom_kills() > self.oom_kills;
            self.reason = if out_of_memory { OUT_OF_MEMORY } else { CRASH };
            warn!(
                event = "service.ended_unexpectedly",
                service = name,
                exit = %report.exit,
                reason = self.reason,
                "service ended unexpectedly"
            );
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
        debug!(event = "signal.forwarded", service = self.plan.spec.name, %signal, sent, "forwarded a signal");
        if sent && signal == Signal::SIGHUP {
            self.run_after_signal();
        }
    }

    /// Spawns the hook. It runs after the signal is sent: a new task runs only once this one awaits.
    fn run_after_signal(&mut self) {
        self.after_signal.spawn(self.plan.hooks.after_signal());
    }

    pub(super) async fn end(&mut self) -> End {
        if let Some(child) = &self.child {
            child.drained(OUTPUT_DRAIN_TIMEOUT).await;
        }
        match (self.service.state, self.stop_signal, self.service.last_exit, self.start_error.take()) {
            // Requested during a back-off: the last exit was that of a crash, which is already logged.
            (State::Stopped, Some(signal), exit, _) => {
                End::StopRequested(signal, exit.filter(|_| self.service.started_at.is_some()))
            }
            (State::Failed, _, _, Some(error)) => End::NotStarted(error),
            (State::Failed, _, Some(exit), None) => {
                error!(
                    event = "service.crash_loop",
                    service = self.plan.spec.name,
                    %exit,
                    "service ended too often and is not restarted"
                );
                End::CrashLoop(exit)
            }
            (_, _, exit, _) => End::Ended(exit.unwrap_or(Exit::Exited(0))),
        }
    }
}
