//! Stop requests by signal: one task per signal reads its stream and publishes the stop state.
//!
//! ```text
//!             TERM, INT, QUIT            a later TERM, INT, QUIT
//!   Running ──────────────────▶ Requested ──────────────────────▶ Forced
//! ```
//!
//! Streams coalesce (docs/hazards.md#merged-signals): five TERMs before a poll are one, two or three events,
//! depending on scheduling. So a request within [`BURST`] of the first one belongs to it, and only a later one
//! forces the stop. HUP, USR1, USR2, WINCH and CONT go to the subscribers.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::outcome::{Flow, Stopped};

/// Requests within this time count as one: long enough for a loop of kills, short for a person or a program
/// that sees that the first one did not suffice.
const BURST: Duration = Duration::from_millis(20);

/// The stop requests that this process has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Running,
    Requested(Signal, Instant),
    Forced(Signal),
}

impl Stop {
    /// The state after one more request to stop.
    fn on_request(self, signal: Signal, now: Instant) -> Self {
        match self {
            Self::Running => Self::Requested(signal, now),
            Self::Requested(_, since) if now.duration_since(since) < BURST => self,
            Self::Requested(first, _) | Self::Forced(first) => Self::Forced(first),
        }
    }

    /// The signal of the first request.
    fn signal(self) -> Option<Signal> {
        match self {
            Self::Running => None,
            Self::Requested(signal, _) | Self::Forced(signal) => Some(signal),
        }
    }
}

/// A handle to the stop state; every wait of the program ends with it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    state: watch::Receiver<Stop>,
    forwarded: broadcast::Sender<Signal>,
}

/// Requests a deferred stop.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Stop>);

impl Trigger {
    pub fn request_stop(&self) {
        self.request_with(Signal::SIGTERM);
    }

    fn request_with(&self, signal: Signal) {
        // A second request would force the stop.
        self.0.send_modify(|stop| {
            if *stop == Stop::Running {
                *stop = Stop::Requested(signal, Instant::now());
            }
        });
    }
}

const STOP_SIGNALS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT];
const FORWARDED_SIGNALS: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH, Signal::SIGCONT];

impl Shutdown {
    /// Installs the handlers and starts the tasks. The caller unblocks the signals afterwards, so that an
    /// earlier signal stays pending until then (docs/hazards.md#lost-stop-signal).
    ///
    /// # Errors
    /// If the kernel refuses a handler, which it does for none of these signals.
    pub fn install() -> std::io::Result<Self> {
        let (state_tx, state) = watch::channel(Stop::Running);
        let (forwarded, _) = broadcast::channel(16);
        for number in STOP_SIGNALS {
            let mut stream = signal(SignalKind::from_raw(number as i32))?;
            let state_tx = state_tx.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    state_tx.send_modify(|stop| *stop = stop.on_request(number, Instant::now()));
                }
            });
        }
        for number in FORWARDED_SIGNALS {
            let mut stream = signal(SignalKind::from_raw(number as i32))?;
            let forwarded = forwarded.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    let _ = forwarded.send(number);
                }
            });
        }
        Ok(Self { state, forwarded })
    }

    /// Completes when a stop is requested, or at once if it was.
    pub async fn stop_requested(&self) -> Signal {
        let mut state = self.state.clone();
        match state.wait_for(|stop| *stop != Stop::Running).await.map(|stop| stop.signal()) {
            Ok(Some(signal)) => signal,
            // The senders live as long as the runtime; this future is dropped with it.
            _ => std::future::pending().await,
        }
    }

    /// The signal that requested a stop, if any.
    pub fn signal(&self) -> Option<Signal> {
        self.state.borrow().signal()
    }

    /// Completes when a second request ends the grace period.
    pub async fn forced(&self) {
        let mut state = self.state.clone();
        if state.wait_for(|stop| matches!(stop, Stop::Forced(_))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A separate stop state for programs that must outlive the others (servers that a role still writes to):
    /// only the trigger requests the stop, but forcing this one forces it too.
    pub fn deferred(&self) -> (Trigger, Self) {
        let (state_tx, state) = watch::channel(Stop::Running);
        let trigger = Trigger(state_tx.clone());
        let force = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = force.forced() => {
                    state_tx.send_replace(Stop::Forced(Signal::SIGTERM));
                }
                () = state_tx.closed() => {}
            }
        });
        // No signal is forwarded to it.
        (trigger, Self { state, forwarded: broadcast::channel(1).0 })
    }

    /// A stop state that follows this one and that the trigger can stop as well: for the programs of a role when
    /// one of them keeps failing.
    pub fn linked(&self) -> (Trigger, Self) {
        let (trigger, mut linked) = self.deferred();
        linked.forwarded = self.forwarded.clone();
        let (own, outer) = (Trigger(trigger.0.clone()), self.clone());
        tokio::spawn(async move {
            tokio::select! {
                signal = outer.stop_requested() => own.request_with(signal),
                () = own.0.closed() => {}
            }
        });
        (trigger, linked)
    }

    /// Receives HUP, USR1, USR2, WINCH and CONT from now on.
    pub fn forwarded(&self) -> broadcast::Receiver<Signal> {
        self.forwarded.subscribe()
    }

    /// Runs `work` until it ends or a stop is requested, whichever is first. A stop drops `work`.
    pub async fn guard<T>(&self, work: impl Future<Output = Flow<T>>) -> Flow<T> {
        tokio::select! {
            biased;
            signal = self.stop_requested() => Err(Stopped::Signal(signal)),
            result = work => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_request_forces_the_stop_and_keeps_the_first_signal() {
        let now = Instant::now();
        let requested = Stop::Running.on_request(Signal::SIGTERM, now);
        assert_eq!(requested, Stop::Requested(Signal::SIGTERM, now));
        let forced = requested.on_request(Signal::SIGINT, now + BURST);
        assert_eq!(forced, Stop::Forced(Signal::SIGTERM));
        assert_eq!(forced.on_request(Signal::SIGINT, now + BURST), forced);
    }

    #[test]
    fn a_burst_is_one_request() {
        let now = Instant::now();
        let requested = Stop::Running.on_request(Signal::SIGTERM, now);
        assert_eq!(requested.on_request(Signal::SIGTERM, now + BURST / 2), requested);
    }
}
