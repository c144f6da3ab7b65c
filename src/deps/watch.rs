//! One dependency, tried until it works or cannot: a task of its own that reports every try.

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

/// A name that does not resolve, or a server that answers and does not serve yet: each try costs somebody else a
/// question or a process. Most servers that are late are late by seconds, and half of what lies between two tries is
/// added to every start, so it begins to grow late.
const ANSWERED: Backoff = Backoff::doubling(Duration::from_millis(25), Duration::from_millis(500))
    .growing_by(1.5)
    .steady_for(Duration::from_secs(2));
/// A port that nobody listens on. A refusal costs a tenth of a millisecond and no process, so it is asked more often:
/// with the login after it, 25 ms apart would be 20 ms late.
const REFUSED: Backoff = Backoff::doubling(Duration::from_millis(10), Duration::from_millis(500))
    .growing_by(1.5)
    .steady_for(Duration::from_secs(5));

/// A try that takes longer hangs, and another one may not.
const LONGEST_TRY: Duration = Duration::from_secs(10);

/// Ends with a state that will not change, ready or never, or at the deadline, where the last try
/// ends too, so that it says at which step it hung. Nobody listening ends it as well.
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
    let left = || deadline.map_or(LONGEST_TRY, |deadline| deadline.saturating_duration_since(Instant::now()));
    let mut heard = false;
    while !left().is_zero() {
        let (state, warnings, delay) = match probe.attempt(left().min(LONGEST_TRY)).await {
            Ok(met) => (State::Ready(met.step), met.warnings, None),
            // Cut short by the deadline: it knows less than the tries before.
            Err(error) if heard && error.kind == Kind::Silent && left().is_zero() => return,
            Err(error) if grace.is_over(error.kind, Instant::now()) => {
                (State::Never(error), Vec::new(), None)
            }
            Err(error) => {
                let delay = pace.after(&error, rand::random());
                (State::NotYet(Some(error)), Vec::new(), Some(delay))
            }
        };
        heard = true;
        if updates.send(Update { index, state, warnings }).await.is_err() {
            return;
        }
        let Some(delay) = delay else { return };
        sleep(delay.min(left())).await;
    }
}

/// The delays, led by how far the server has come.
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
            self.answered.start_over();
        }
        match error.kind {
            Kind::Unreachable => self.refused.next_jittered(random),
            Kind::Unresolved | Kind::Silent | Kind::Lost | Kind::NotServing => {
                self.answered.next_jittered(random)
            }
            // The server is up and says no, which takes somebody to change.
            _ => {
                self.answered.stop_hurrying();
                self.answered.next_jittered(random)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_comes_up_is_asked_quickly_again() {
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
    fn a_server_that_says_no_is_asked_less_and_less() {
        let mut pace = Pace::new();
        let wrong = ConnectError::new(Step::Login, Kind::WrongPassword, "", "");
        let total: Duration = (0..20).map(|_| pace.after(&wrong, 0.0)).sum();
        assert!(total > Duration::from_secs(6), "{total:?}");
    }
}
