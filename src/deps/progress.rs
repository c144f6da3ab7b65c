//! The progress of each dependency, logged at every change.

use std::time::Duration;

use crate::net::{ConnectError, Kind, Step};

/// The state of a dependency.
#[derive(Clone, Debug)]
pub enum State {
    /// Waiting may help. None before the first answer.
    NotYet(Option<ConnectError>),
    /// Something must be changed first.
    Never(ConnectError),
    /// It works, up to this step.
    Ready(Step),
}

/// The progress of one dependency.
#[derive(Clone, Debug)]
pub struct Progress {
    /// postgres, redis_cache or redis_queue.
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

    /// Records the outcome of a try, and logs it if it is new.
    pub fn update(&mut self, state: State, elapsed: Duration) {
        self.attempts += 1;
        self.elapsed = elapsed;
        let before = self.error().map(topic);
        self.state = state;
        // The field is not called `target`: tracing uses that for the module.
        let (dependency, server) = (self.name, self.target.as_str());
        match &self.state {
            State::Ready(_) => {
                let (elapsed_ms, attempts) = (elapsed.as_millis() as u64, self.attempts);
                tracing::info!(
                    event = "deps.ready",
                    dependency,
                    server,
                    elapsed_ms,
                    attempts,
                    "dependency became ready"
                );
            }
            State::NotYet(Some(error)) if before != Some(topic(error)) => {
                let (step, hint) = (error.step.name(), error.hint.as_str());
                tracing::info!(
                    event = "deps.not_ready",
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
                    event = "deps.failed",
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

    /// Logs and keeps the warnings of a try.
    pub fn warn(&mut self, warnings: Vec<String>) {
        for warning in &warnings {
            tracing::warn!(event = "deps.warned", dependency = self.name, server = self.target, "{warning}");
        }
        self.warnings = warnings;
    }
}

/// The key by which errors count as equal. Not their text: it names a different address each time
/// if a name has several.
fn topic(error: &ConnectError) -> (Step, Kind) {
    (error.step, error.kind)
}
