//! The phases of this process, from its start to its end.

use std::time::Instant;

/// Where the process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    WaitingForDependencies,
    Bootstrapping,
    Serving,
    /// Somebody took the site's database away for a while (`exec -- bench restore`).
    OnHold,
    Draining,
    /// Something failed and CAULDRON_ON_FAILURE=hold keeps the process up.
    Held,
}

impl Phase {
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::WaitingForDependencies,
        Self::Bootstrapping,
        Self::Serving,
        Self::OnHold,
        Self::Draining,
        Self::Held,
    ];

    /// The value in `/status`, in the metric's label and in the header of the status page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::WaitingForDependencies => "waiting_for_dependencies",
            Self::Bootstrapping => "bootstrapping",
            Self::Serving => "serving",
            Self::OnHold => "on_hold",
            Self::Draining => "draining",
            Self::Held => "held",
        }
    }

    /// The same in a sentence of `/readyz`: the one place that has it with spaces.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::WaitingForDependencies => "waiting for dependencies",
            Self::OnHold => "on hold",
            other => other.as_str(),
        }
    }
}

/// The phases in the order in which they were entered, each once.
#[derive(Clone, Debug, Default)]
pub struct Entered(Vec<(Phase, Instant)>);

impl Entered {
    /// Keeps the first time only.
    pub fn note(&mut self, phase: Phase, now: Instant) {
        if self.since(phase).is_none() {
            self.0.push((phase, now));
        }
    }

    /// When the phase was entered first.
    pub fn since(&self, phase: Phase) -> Option<Instant> {
        self.0.iter().find(|(entered, _)| *entered == phase).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_the_same_words_as_the_value() {
        for phase in Phase::ALL {
            assert_eq!(phase.in_words(), phase.as_str().replace('_', " "));
        }
    }
}
