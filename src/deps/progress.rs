//! What is known of each dependency, told once a change.

use std::time::Duration;

use crate::net::{ConnectError, Kind, Step};

/// Where a dependency stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Waiting may help. None before the first answer.
    NotYet(Option<ConnectError>),
    /// Somebody must change something.
    Never(ConnectError),
    /// It works, as far as this step.
    Ready(Step),
}

/// One dependency's account.
#[derive(Clone, Debug)]
pub struct Progress {
    /// postgres, redis_cache, redis_queue or redis_socketio.
    pub name: &'static str,
    pub target: String,
    pub state: State,
    pub attempts: u32,
    pub elapsed: Duration,
    pub warnings: Vec<String>,
}

impl Progress {
    pub fn new(name: &'static str, target: String) -> Self {
        Self {
            name,
            target,
            state: State::NotYet(None),
            attempts: 0,
            elapsed: Duration::ZERO,
            warnings: Vec::new(),
        }
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    pub fn error(&self) -> Option<&ConnectError> {
        match &self.state {
            State::NotYet(error) => error.as_ref(),
            State::Never(error) => Some(error),
            State::Ready(_) => None,
        }
    }

    /// Takes the outcome of a try, and tells it if it is new.
    pub fn turn(&mut self, state: State, elapsed: Duration) {
        self.attempts += 1;
        self.elapsed = elapsed;
        let before = self.error().map(topic);
        self.state = state;
        // `target` is tracing's own word for the module.
        let (dependency, server) = (self.name, self.target.as_str());
        match &self.state {
            State::Ready(_) => {
                let (elapsed_ms, attempts) = (elapsed.as_millis() as u64, self.attempts);
                tracing::info!(dependency, server, elapsed_ms, attempts, "dependency became ready");
            }
            State::NotYet(Some(error)) if before != Some(topic(error)) => {
                let (step, hint) = (error.step.name(), error.hint.as_str());
                tracing::info!(
                    dependency,
                    server,
                    step,
                    error = error.cause,
                    hint,
                    "dependency not ready yet"
                );
            }
            State::Never(error) => {
                let step = error.step.name();
                tracing::error!(
                    dependency,
                    server,
                    step,
                    error = error.cause,
                    "dependency cannot become ready"
                );
            }
            State::NotYet(_) => {}
        }
    }

    pub fn warn(&mut self, warnings: Vec<String>) {
        for warning in &warnings {
            tracing::warn!(dependency = self.name, server = self.target, "{warning}");
        }
        self.warnings = warnings;
    }
}

/// What makes two errors the same news: not their text, which names a different address each time
/// where a name has many.
fn topic(error: &ConnectError) -> (Step, Kind) {
    (error.step, error.kind)
}
