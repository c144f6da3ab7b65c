//! One supervised service as a state machine: no clock, no process, no I/O.
//!
//! ```text
//!              Started                StopRequested (drain delay)
//!  Starting ────────────▶ Running ──────────────────────────▶ Draining
//!   ▲  │ StartFailed         │ Ended, or StopRequested without delay    │ DrainOver, Forced, Ended
//!   │  │                     ▼                                      │
//!   │  │                 Stopping ◀─────────────────────────────────┘
//!   │  │                     │ Cleared: the process group is empty
//!   │  ▼                     ├──▶ Stopped    the stop was requested, or the policy does not restart
//!   │ Failed ◀───────────────┤    Failed     the crash-loop budget is spent
//!   │         BackOffOver    ▼
//!   └──────────────────── BackingOff ──▶ Stopped (StopRequested)
//! ```
//!
//! A role may also order a recycle or a pause (`orders`):
//!
//! ```text
//!   Running ── RecycleRequested ──▶ Stopping ── Cleared ──▶ Starting     no failure, no back-off
//!   Running ── PauseRequested ────▶ Stopping ── Cleared ──▶ Paused ── ResumeRequested ──▶ Starting
//!   Starting, BackingOff ────────── PauseRequested ───────▶ Paused ── StopRequested ────▶ Stopped
//! ```
//!
//! A service that ended unexpectedly is *stopped* before it is restarted: remaining members of its process group
//! would keep its port and its locks (docs/hazards.md#surviving-process-group).

mod policy;

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

pub use self::policy::Policy;
use crate::backoff::Backoff;
use crate::sys::exit::Exit;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Starting,
    Running,
    /// Stop requested; keeps running until load balancers have noticed.
    Draining,
    /// The process group is being ended, on request or after the group leader ended.
    Stopping,
    BackingOff,
    /// Nothing runs, by order of the role.
    Paused,
    Failed,
    Stopped,
}

/// An input of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Started,
    /// `is_transient`: the system lacked a resource; the program itself is fine.
    StartFailed {
        is_transient: bool,
    },
    /// The group leader ended; its group may not be empty.
    Ended(Exit),
    /// The stop is complete, with this exit of the group leader; the group is empty.
    Cleared(Exit),
    StopRequested,
    DrainOver,
    BackOffOver,
    Forced,
    /// The role orders a new child, after a regular stop of the current one.
    RecycleRequested,
    /// The role orders that nothing runs for now.
    PauseRequested,
    ResumeRequested,
    /// A dependency caused the failures so far: they do not count.
    Excused,
}

/// An output of the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start,
    /// Report `DrainOver` after this long.
    Drain(Duration),
    /// End the group leader and its group, then report `Cleared`.
    Stop,
    /// Report `BackOffOver` after about this long.
    BackOff(Duration),
}

/// The state with its counters and flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub state: State,
    /// True if a stop was requested.
    pub stop_requested: bool,
    pub restarts: u64,
    pub last_exit: Option<Exit>,
    pub started_at: Option<Instant>,
    /// True if the end of the current child is intended, and so no failure.
    pub expected: bool,
    pub paused: bool,
    /// The number of consecutive failures, for the back-off.
    failures: u32,
    /// The times of recent failures, for the budget, which bounds its length.
    recent: VecDeque<Instant>,
}

impl Service {
    /// A service that is about to start.
    pub fn new() -> Self {
        Self {
            state: State::Starting,
            stop_requested: false,
            restarts: 0,
            last_exit: None,
            started_at: None,
            expected: false,
            paused: false,
            failures: 0,
            recent: VecDeque::new(),
        }
    }

    /// Starts without a preceding failure.
    fn begin(&mut self) -> (State, Option<Action>) {
        self.expected = false;
        self.started_at = None;
        (State::Starting, Some(Action::Start))
    }

    fn forgive(&mut self) {
        self.failures = 0;
        self.recent.clear();
    }

    /// True if no further event changes the state.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Failed | State::Stopped)
    }
}

/// The transition table. An event that a state does not handle leaves the state unchanged.
pub fn on_event(
    mut service: Service,
    event: Event,
    policy: &Policy,
    now: Instant,
) -> (Service, Option<Action>) {
    match event {
        Event::StopRequested => service.stop_requested = true,
        Event::PauseRequested => service.paused = true,
        Event::ResumeRequested => service.paused = false,
        Event::Excused => service.forgive(),
        _ => {}
    }
    let (state, action) = match (service.state, event) {
        (State::Starting, Event::Started) => {
            service.started_at = Some(now);
            (State::Running, None)
        }
        (State::Starting, Event::StartFailed { is_transient: true }) if policy.restart => {
            after_failure(&mut service, policy, now)
        }
        (State::Starting, Event::StartFailed { .. }) => (State::Failed, None),
        (State::Running, Event::StopRequested) if !policy.drain.is_zero() => {
            (State::Draining, Some(Action::Drain(policy.drain)))
        }
        (State::Running, Event::StopRequested) | (State::Draining, Event::DrainOver | Event::Forced) => {
            (State::Stopping, Some(Action::Stop))
        }
        (State::Running, Event::PauseRequested | Event::RecycleRequested) => {
            service.expected = true;
            (State::Stopping, Some(Action::Stop))
        }
        (State::Running | State::Draining, Event::Ended(exit)) => {
            service.last_exit = Some(exit);
            service.expected = policy.done_code.is_some_and(|code| exit == Exit::Exited(code));
            (State::Stopping, Some(Action::Stop))
        }
        (State::Stopping, Event::Cleared(exit)) => {
            service.last_exit = Some(exit);
            after_stop(&mut service, policy, now)
        }
        (State::Starting | State::BackingOff, Event::PauseRequested) => {
            service.forgive();
            (State::Paused, None)
        }
        (State::Paused, Event::ResumeRequested) => service.begin(),
        (State::BackingOff, Event::BackOffOver) => {
            service.restarts += 1;
            (State::Starting, Some(Action::Start))
        }
        (State::Starting | State::BackingOff | State::Paused, Event::StopRequested) => (State::Stopped, None),
        (state, _) => (state, None),
    };
    service.state = state;
    (service, action)
}

/// The next state once the process group is empty.
fn after_stop(service: &mut Service, policy: &Policy, now: Instant) -> (State, Option<Action>) {
    if service.stop_requested || !policy.restart {
        (State::Stopped, None)
    } else if service.paused {
        service.forgive();
        (State::Paused, None)
    } else if service.expected {
        service.restarts += 1;
        service.begin()
    } else {
        after_failure(service, policy, now)
    }
}

/// Backs off or gives up after an unexpected end or a failed start.
fn after_failure(service: &mut Service, policy: &Policy, now: Instant) -> (State, Option<Action>) {
    let ran_for = service.started_at.take().map_or(Duration::ZERO, |start| now.duration_since(start));
    if ran_for >= policy.stable_after {
        service.failures = 0;
    }
    service.recent.retain(|then| now.duration_since(*then) < policy.window);
    service.recent.push_back(now);
    if service.recent.len() >= policy.budget {
        return (State::Failed, None);
    }
    let delay = back_off(service.failures);
    service.failures += 1;
    (State::BackingOff, Some(Action::BackOff(delay)))
}

/// The back-off: 0, 0.5, 1, 2, 4 … 30 s.
fn back_off(failures: u32) -> Duration {
    const RESTARTS: Backoff = Backoff::doubling(Duration::from_millis(500), Duration::from_secs(30));
    failures.checked_sub(1).map_or(Duration::ZERO, |again| RESTARTS.after(again))
}

#[cfg(test)]
mod tests;
