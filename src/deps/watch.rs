//! One dependency, tried until it works or cannot: a task of its own that reports every try.

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::backoff::{Backoff, Delays};
use super::grace::Grace;
use super::progress::State;
use super::{Met, Target, postgres, redis};
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

    async fn attempt(&mut self) -> Result<Met, ConnectError> {
        match self {
            Self::Postgres(probe) => probe.attempt().await,
            Self::Redis(probe) => probe.attempt().await,
        }
    }
}

/// Ends with a state that will not change: ready, or never. Nobody listening ends it, too.
pub async fn watch(index: usize, target: Target, updates: mpsc::Sender<Update>) {
    let mut probe = match Probe::new(&target) {
        Ok(probe) => probe,
        Err(error) => {
            let _ = updates.send(Update { index, state: State::Never(error), warnings: Vec::new() }).await;
            return;
        }
    };
    let mut pace = Pace { delays: Backoff::DEPENDENCIES.delays(), furthest: Step::Dns };
    let mut grace = Grace::default();
    loop {
        let (state, warnings, delay) = match probe.attempt().await {
            Ok(met) => (State::Ready(met.step), met.warnings, None),
            Err(error) if grace.is_over(error.kind, Instant::now()) => {
                (State::Never(error), Vec::new(), None)
            }
            Err(error) => {
                let delay = pace.after(&error);
                (State::NotYet(Some(error)), Vec::new(), Some(delay))
            }
        };
        if updates.send(Update { index, state, warnings }).await.is_err() {
            return;
        }
        let Some(delay) = delay else { return };
        sleep(delay).await;
    }
}

/// The delays, led by how far the server has come.
struct Pace {
    delays: Delays,
    furthest: Step,
}

impl Pace {
    fn after(&mut self, error: &ConnectError) -> std::time::Duration {
        if error.step > self.furthest {
            self.furthest = error.step;
            self.delays.start_over();
        }
        let may_come_up_any_moment = matches!(
            error.kind,
            Kind::Unresolved | Kind::Unreachable | Kind::Silent | Kind::Lost | Kind::NotServing
        );
        if !may_come_up_any_moment {
            self.delays.stop_hurrying();
        }
        self.delays.next(rand::random())
    }
}
