//! The final summary, as text and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::progress::{Progress, State};
use crate::config::duration;
use crate::outcome::refusal::Refusal;

/// The result of every dependency.
#[derive(Clone, Debug)]
pub struct Report {
    pub ok: bool,
    pub elapsed: Duration,
    pub dependencies: Vec<Progress>,
}

impl Report {
    /// The report as one object; tools rely on its shape.
    pub fn json(&self) -> Value {
        let dependencies: Vec<Value> = self.dependencies.iter().map(dependency).collect();
        json!({
            "ok": self.ok,
            "elapsed_ms": milliseconds(self.elapsed),
            "dependencies": dependencies,
        })
    }

    /// The report as text: a line per dependency, and error and hint below those that are not ready.
    pub fn text(&self) -> String {
        let width = self.dependencies.iter().map(|d| d.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for dependency in &self.dependencies {
            let after = duration::show(Duration::from_millis(milliseconds(dependency.elapsed)));
            let tries = if dependency.attempts == 1 { "try" } else { "tries" };
            text.push_str(&format!(
                "{:width$}  {:7}  {}  ({} {tries}, {after})\n",
                dependency.name,
                state_name(&dependency.state).replace('_', " "),
                dependency.target,
                dependency.attempts,
            ));
            if let Some(error) = dependency.error() {
                text.push_str(&format!("{:width$}  {error}\n{:width$}  hint: {}\n", "", "", error.hint));
            }
            for warning in &dependency.warnings {
                text.push_str(&format!("{:width$}  warning: {warning}\n", ""));
            }
        }
        text
    }
}

fn dependency(progress: &Progress) -> Value {
    let step = match &progress.state {
        State::Ready(step) => Some(step.name()),
        _ => progress.error().map(|error| error.step.name()),
    };
    json!({
        "name": progress.name,
        "target": progress.target,
        "state": state_name(&progress.state),
        "step": step,
        "attempts": progress.attempts,
        "elapsed_ms": milliseconds(progress.elapsed),
        "error": progress.error().map(|error| &error.cause),
        "hint": progress.error().map(|error| &error.hint),
        "refusal": progress.error().and_then(|error| error.kind.refusal()).map(Refusal::as_str),
        "warnings": progress.warnings,
    })
}

fn state_name(state: &State) -> &'static str {
    match state {
        State::NotYet(_) => "not_yet",
        State::Never(_) => "never",
        State::Ready(_) => "ready",
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
