//! The output of a step on its way into the log: redacted, tracebacks folded into one event each, the last lines kept for
//! the error that ends the step.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use crate::frappe::failure_line::reason;
use crate::frappe::traceback::{Folded, TracebackFold};
use crate::supervise::output::Stream;
use crate::telemetry::redaction::Redaction;

/// Lines of the end of the output in which the reason of a failed step is looked for: a traceback with the variables
/// of its frames is long.
const MAX_LAST_LINES: usize = 400;

/// Cheap to clone: the handler of the lines and the step share it.
#[derive(Clone)]
pub struct StepOutput {
    step: Arc<str>,
    redaction: Arc<Redaction>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    stdout: TracebackFold,
    stderr: TracebackFold,
    last_lines: VecDeque<String>,
    /// Of the last traceback.
    last_exception: Option<String>,
}

impl StepOutput {
    /// `secrets` are what the step was given: a failing Frappe prints its arguments, and a traceback must not put a
    /// password into the log.
    pub fn new(step: &str, secrets: &[SecretString]) -> Self {
        let secrets = secrets.iter().map(|secret| secret.expose_secret().to_string());
        Self { step: step.into(), redaction: Arc::new(Redaction::of(secrets)), state: Arc::default() }
    }

    /// Returns the line without secrets and without blanks at its end.
    pub fn redacted(&self, line: &[u8]) -> String {
        let line = self.redaction.apply_to_output(line);
        String::from_utf8_lossy(&line).trim_end().to_string()
    }

    /// Takes a redacted line that is not empty, and logs what is complete.
    pub fn push(&self, stream: Stream, line: &str) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let fold = match stream {
            Stream::Stdout => &mut state.stdout,
            Stream::Stderr => &mut state.stderr,
        };
        for record in fold.push(line) {
            self.log(&record, &mut state.last_exception);
        }
        if state.last_lines.len() == MAX_LAST_LINES {
            state.last_lines.pop_front();
        }
        state.last_lines.push_back(line.to_string());
    }

    /// The step ended: logs the traceback that is still being read, and returns the reason in one line.
    pub fn end(&self) -> String {
        let mut state = self.lock();
        for record in [state.stdout.end(), state.stderr.end()].into_iter().flatten() {
            self.log(&record, &mut state.last_exception);
        }
        state.last_exception.take().unwrap_or_else(|| reason(state.last_lines.make_contiguous()))
    }

    fn log(&self, record: &Folded, last_exception: &mut Option<String>) {
        let step = &*self.step;
        match record {
            Folded::Line(text) => tracing::info!(event = "step.output", step, "{text}"),
            Folded::Traceback { exception, text } => {
                tracing::warn!(event = "step.traceback", step, traceback = text, "{exception}");
                *last_exception = Some(exception.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_output_is_not_repeated() {
        let output = StepOutput::new("new-site", &["canary#1".into(), "x".into()]);
        assert_eq!(output.redacted(b"password canary#1 of x \n"), "password *** of x");
    }

    #[test]
    fn the_reason_is_the_exceptions_own_line() {
        let output = StepOutput::new("migrate", &[]);
        let lines =
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nKeyError: 'x'";
        lines.lines().for_each(|line| output.push(Stream::Stderr, line));
        output.push(Stream::Stdout, "bye");
        assert_eq!(output.end(), "KeyError: 'x'");
    }
}
