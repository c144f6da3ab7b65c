//! One supervised service as a state machine: no clock, no process, no I/O.
//!
//! ```text
//!              Started                StopRequested (drain delay)
//!  Starting ────────────▶ Running ──────────────────────────▶ Draining
//!   ▲  │ StartFailed         │ Ended, or StopRequested without delay    │ DrainOver, Forced, Ended
//!   │  │                     ▼                                      │
//!   │  │                 Stopping ◀─────────────────────────────────┘
//!   │  │                     │ Cleared: nobody of the group is left
//!   │  ▼                     ├──▶ Stopped    it was asked for, or is not to be restarted
//!   │ Failed ◀───────────────┤    Failed     the crash-loop budget is spent
//!   │         BackOffOver    ▼
//!   └──────────────────── BackingOff ──▶ Stopped (StopRequested)
//! ```
//!
//! A role may order more of a service than to run (`orders`):
//!
//! ```text
//!   Running ── RecycleAsked ──▶ Stopping ── Cleared ──▶ Starting     no failure, no back-off
//!   Running ── PauseRequested ────▶ Stopping ── Cleared ──▶ Paused ── ResumeAsked ──▶ Starting
//!   Starting, BackingOff ────────── PauseRequested ───────▶ Paused ── StopRequested ────▶ Stopped
//! ```
//!
//! A service that ended unasked is *stopped* before it is started again: what is left of its group
//! would hold its port and its locks (docs/hazards.md#surviving-process-group).

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::sys::exit::Exit;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Starting,
    Running,
    /// Asked to stop; runs on until load balancers have noticed.
    Draining,
    /// The group is being ended, on request or after the leader ended by itself.
    Stopping,
    BackingOff,
    /// Nothing runs, because its role wants it so.
    Paused,
    Failed,
    Stopped,
}

/// How a service is to be treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Start it again when it ends unasked.
    pub restart: bool,
    /// Between the request to stop and TERM.
    pub drain: Duration,
    /// From TERM to KILL.
    pub grace: Duration,
    /// So many unasked ends within the window are a crash loop.
    pub budget: usize,
    pub window: Duration,
    /// A service that ran for so long starts its back-off anew.
    pub stable_after: Duration,
    /// The exit code by which a program says that it did what it was to do and wants to be started again.
    pub done_code: Option<i32>,
}

impl Policy {
    /// Restarted, 5 times in 60 s, without a drain delay.
    pub fn restarting(grace: Duration) -> Self {
        Self { restart: true, ..Self::once(grace) }
    }

    /// Not restarted.
    pub fn once(grace: Duration) -> Self {
        let minute = Duration::from_secs(60);
        Self {
            restart: false,
            drain: Duration::ZERO,
            grace,
            budget: 5,
            window: minute,
            stable_after: minute,
            done_code: None,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Started,
    /// `may_pass`: the system was short of something; the program itself is fine.
    StartFailed {
        may_pass: bool,
    },
    /// The leader ended; its group may not be empty.
    Ended(Exit),
    /// The stop is done: this was the leader's exit, and nobody is left.
    Cleared(Exit),
    StopRequested,
    DrainOver,
    BackOffOver,
    Forced,
    /// Its role wants a new child in place of this one, once this one has stopped as on request.
    RecycleAsked,
    /// Its role wants nothing to run for now.
    PauseRequested,
    ResumeAsked,
    /// What made it fail was something that it needs: those ends count for nothing.
    Excused,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start,
    /// Report `DrainOver` after this long.
    Drain(Duration),
    /// End the leader and its group, then report `Cleared`.
    Stop,
    /// Report `BackOffOver` after about this long.
    BackOff(Duration),
}

/// The state with what it remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub state: State,
    /// Somebody asked for the stop.
    pub stop_requested: bool,
    pub restarts: u64,
    pub last_exit: Option<Exit>,
    pub started_at: Option<Instant>,
    /// The end of the present child is wanted: no failure.
    pub expected: bool,
    pub paused: bool,
    /// Unasked ends in a row, for the back-off.
    failures: u32,
    /// When they were, for the budget; never longer than it.
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

    /// A start that no failure came before.
    fn begin(&mut self) -> (State, Option<Action>) {
        self.expected = false;
        self.started_at = None;
        (State::Starting, Some(Action::Start))
    }

    fn forgive(&mut self) {
        self.failures = 0;
        self.recent.clear();
    }

    /// Nothing more will happen to it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Failed | State::Stopped)
    }
}

/// The transition table. An event that a state does not know changes nothing.
pub fn on_event(
    mut service: Service,
    event: Event,
    policy: &Policy,
    now: Instant,
) -> (Service, Option<Action>) {
    match event {
        Event::StopRequested => service.stop_requested = true,
        Event::PauseRequested => service.paused = true,
        Event::ResumeAsked => service.paused = false,
        Event::Excused => service.forgive(),
        _ => {}
    }
    let (state, action) = match (service.state, event) {
        (State::Starting, Event::Started) => {
            service.started_at = Some(now);
            (State::Running, None)
        }
        (State::Starting, Event::StartFailed { may_pass: true }) if policy.restart => {
            after_failure(&mut service, policy, now)
        }
        (State::Starting, Event::StartFailed { .. }) => (State::Failed, None),
        (State::Running, Event::StopRequested) if !policy.drain.is_zero() => {
            (State::Draining, Some(Action::Drain(policy.drain)))
        }
        (State::Running, Event::StopRequested) | (State::Draining, Event::DrainOver | Event::Forced) => {
            (State::Stopping, Some(Action::Stop))
        }
        (State::Running, Event::PauseRequested | Event::RecycleAsked) => {
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
        (State::Paused, Event::ResumeAsked) => service.begin(),
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

/// Nobody of it is left: it stays away, or comes again.
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

/// An unasked end, or a start that failed: back off, or give up.
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

/// 0, 0.5 s, 1, 2, 4 … 30 s.
fn back_off(failures: u32) -> Duration {
    const RESTARTS: Backoff = Backoff::doubling(Duration::from_millis(500), Duration::from_secs(30));
    failures.checked_sub(1).map_or(Duration::ZERO, |again| RESTARTS.after(again))
}

#[cfg(test)]
mod tests;
