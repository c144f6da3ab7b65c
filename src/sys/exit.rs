//! The exit of a process, reported as shells and orchestrators do.

use std::fmt;

use nix::sys::signal::Signal;

use crate::outcome::SIGNAL_BASE;

/// The exit of a process: two cases, never one number (docs/hazards.md#ambiguous-exit-code).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The process returned this code, 0 to 255.
    Exited(i32),
    /// This signal ended the process.
    Signaled(i32),
}

impl Exit {
    /// The code that a shell reports: the exit code, or 128 + the signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
            Self::Signaled(signal) => SIGNAL_BASE.saturating_add(u8::try_from(signal).unwrap_or(u8::MAX)),
        }
    }

    /// True if the process returned 0.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "was ended by {signal}"),
                // Real-time signals have only numbers.
                Err(_) => write!(f, "was ended by signal {number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_match_those_of_a_shell() {
        assert_eq!(Exit::Exited(0).code(), 0);
        assert_eq!(Exit::Exited(255).code(), 255);
        assert_eq!(Exit::Signaled(15).code(), 143);
        assert_eq!(Exit::Signaled(9).code(), 137);
        assert_eq!(Exit::Signaled(64).code(), 192);
    }

    #[test]
    fn the_text_names_the_code_or_the_signal() {
        assert_eq!(Exit::Exited(3).to_string(), "exited with code 3");
        assert_eq!(Exit::Signaled(9).to_string(), "was ended by SIGKILL");
        assert_eq!(Exit::Signaled(40).to_string(), "was ended by signal 40");
    }
}
