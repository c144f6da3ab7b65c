//! Tries one dependency until it works or cannot work, and reports every try. Each dependency has its own task.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::grace::Grace;
use super::progress::State;
use super::{Met, Target, postgres, redis};
use crate::backoff::{Backoff, Delays};
use crate::net::{ConnectError, Kind, Step};

/// The outcome of one try of the dependency at `index`.
pub struct Update {
    pub index: usize,
    pub state: State,
    pub warnings: Vec<String>,
}

enum Probe {
    Postgres(Box<postgres::Probe>),
    Redis(Box<redis::Probe>),
}

impl Probe {
    fn new(target: &Target) -> Result<Self, ConnectError> {
        Ok(match target {
            Target::Postgres(target) => Self::Postgres(Box::new(postgres::Probe::new((**target).clone())?)),
            Target::Redis(_, target) => Self::Redis(Box::new(redis::Probe::new(target)?)),
        })
    }

    async fn attempt(&mut self, timeout: Duration) -> Result<Met, ConnectError> {
        match self {
            Self::Postgres(probe) => probe.attempt(timeout).await,
            Self::Redis(probe) => probe.attempt(timeout).await,
        }
    }
}

/// The back-off for a name that does not resolve, and for a server that answers but does not serve yet: each try costs
/// a DNS query or a server process. Most servers are late by only seconds, and half of the delay between two tries is
/// added to every start, so the delay is constant at first.
const ANSWERED: Backoff = Backoff::doubling(Duration::from_millis(25), Duration::from_millis(500))
    .growing_by(1.5)
    .steady_for(Duration::from_secs(2));
/// The back-off for a port without a listener. A refusal costs 0.1 ms and no process, so it is tried more often:
/// with the login after it, 25 ms apart would be 20 ms late.
const REFUSED: Backoff = Backoff::doubling(Duration::from_millis(10), Duration::from_millis(500))
    .growing_by(1.5)
    .steady_for(Duration::from_secs(5));

/// The timeout of a try: the next one may succeed where this one hangs.
const MAX_TRY: Duration = Duration::from_secs(10);

/// Tries until a final state (ready or never), until the deadline, or until the receiver is dropped. The last try
/// ends at the deadline, so that it reports the step at which it hung.
pub async fn watch(index: usize, target: Target, deadline: Option<Instant>, updates: mpsc::Sender<Update>) {
    let mut probe = match Probe::new(&target) {
        Ok(probe) => probe,
        Err(error) => {
            let _ = updates.send(Update { index, state: State::Never(error), warnings: Vec::new() }).await;
            return;
        }
    };
    let mut pace = Pace::new();
    let mut grace = Grace::default();
    let remaining =
        || deadline.map_or(MAX_TRY, |deadline| deadline.saturating_duration_since(Instant::now()));
    let mut reported = false;
    while !remaining().is_zero() {
        let (state, warnings, delay) = match probe.attempt(remaining().min(MAX_TRY)).await {
            Ok(met) => (State::Ready(met.step), met.warnings, None),
            // The deadline ended this try early: its error says less than the earlier ones.
            Err(error) if reported && error.kind == Kind::Silent && remaining().is_zero() => return,
            Err(error) if grace.is_over(error.kind, Instant::now()) => {
                (State::Never(error), Vec::new(), None)
            }
            Err(error) => {
                let delay = pace.after(&error, rand::random());
                (State::NotYet(Some(error)), Vec::new(), Some(delay))
            }
        };
        reported = true;
        if updates.send(Update { index, state, warnings }).await.is_err() {
            return;
        }
        let Some(delay) = delay else { return };
        sleep(delay.min(remaining())).await;
    }
}

/// The delays between tries, which start again when the server reaches a further step.
struct Pace {
    refused: Delays,
    answered: Delays,
    furthest: Step,
}

impl Pace {
    fn new() -> Self {
        Self { refused: REFUSED.delays(), answered: ANSWERED.delays(), furthest: Step::Dns }
    }

    fn after(&mut self, error: &ConnectError, random: f64) -> Duration {
        if error.step > self.furthest {
            self.furthest = error.step;
            self.answered.reset();
        }
        match error.kind {
            Kind::Unreachable => self.refused.next_jittered(random),
            Kind::Unresolved | Kind::Silent | Kind::Lost | Kind::NotServing => {
                self.answered.next_jittered(random)
            }
            // The server is up and rejects us until an operator changes something.
            _ => {
                self.answered.end_steady();
                self.answered.next_jittered(random)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_reaches_a_further_step_is_tried_quickly_again() {
        let mut pace = Pace::new();
        let error = |step, kind| ConnectError::new(step, kind, "", "");
        let unresolved = error(Step::Dns, Kind::Unresolved);
        let slow = (0..500).map(|_| pace.after(&unresolved, 0.0)).last();
        assert_eq!(slow, Some(Duration::from_millis(500)));
        let starting = error(Step::Login, Kind::NotServing);
        assert_eq!(pace.after(&starting, 0.0), Duration::from_millis(25));
        let refused = error(Step::Tcp, Kind::Unreachable);
        assert_eq!(pace.after(&refused, 0.0), Duration::from_millis(10));
    }

    #[test]
    fn a_server_that_rejects_us_is_tried_ever_less_often() {
        let mut pace = Pace::new();
        let wrong = ConnectError::new(Step::Login, Kind::WrongPassword, "", "");
        let total: Duration = (0..20).map(|_| pace.after(&wrong, 0.0)).sum();
        assert!(total > Duration::from_secs(6), "{total:?}");
    }
}
