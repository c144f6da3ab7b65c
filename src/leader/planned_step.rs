//! A step that a leader would run, for `plan`.

use std::fmt::Display;

/// A step that was not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    pub text: String,
    /// Its name in the record of durations; None for a step that is not timed.
    pub timed_as: Option<String>,
}

impl PlannedStep {
    /// A step that takes no time worth recording, or that was never timed.
    pub fn untimed(text: impl Into<String>) -> Self {
        Self { text: text.into(), timed_as: None }
    }

    /// A step whose duration is recorded under `name`.
    pub fn timed(text: impl Into<String>, name: impl Display) -> Self {
        Self { text: text.into(), timed_as: Some(name.to_string()) }
    }

    /// A step whose text is its name in the record of durations.
    pub fn named(name: impl Display) -> Self {
        Self::timed(name.to_string(), name)
    }
}
