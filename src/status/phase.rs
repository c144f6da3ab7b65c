//! The phases of this process, from its start to its end.

use std::time::Instant;

/// The phase of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    WaitingForDependencies,
    Bootstrapping,
    Serving,
    /// A command has the site's exclusive lock (`exec -- bench restore`).
    Suspended,
    Draining,
    /// CAULDRON_ON_FAILURE=hold keeps the process running after a failure.
    FailedHeld,
}

impl Phase {
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::WaitingForDependencies,
        Self::Bootstrapping,
        Self::Serving,
        Self::Suspended,
        Self::Draining,
        Self::FailedHeld,
    ];

    /// The value in `/status`, in the metric's label, and in the header of the status page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::WaitingForDependencies => "waiting_for_dependencies",
            Self::Bootstrapping => "bootstrapping",
            Self::Serving => "serving",
            Self::Suspended => "on_hold",
            Self::Draining => "draining",
            Self::FailedHeld => "held",
        }
    }

    /// The phase with spaces, for the sentences of `/readyz`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::WaitingForDependencies => "waiting for dependencies",
            Self::Suspended => "on hold",
            other => other.as_str(),
        }
    }
}

/// The phases in the order in which they were first entered.
#[derive(Clone, Debug, Default)]
pub struct PhaseTimes(Vec<(Phase, Instant)>);

impl PhaseTimes {
    /// Records the first time of a phase; later times are ignored.
    pub fn record(&mut self, phase: Phase, now: Instant) {
        if self.since(phase).is_none() {
            self.0.push((phase, now));
        }
    }

    /// The time when the phase was first entered.
    pub fn since(&self, phase: Phase) -> Option<Instant> {
        self.0.iter().find(|(entered, _)| *entered == phase).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_phase_has_the_words_of_its_value() {
        for phase in Phase::ALL {
            assert_eq!(phase.in_words(), phase.as_str().replace('_', " "));
        }
    }
}
