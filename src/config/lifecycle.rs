//! How a role starts and stops, and what it does when it fails.

use std::time::Duration;

use super::duration::NO_LIMIT;
use super::reader::Reader;
use super::value::{read_choice, read_duration};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapMode {
    Auto,
    Lead,
    Follow,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    Exit,
    Hold,
}

pub struct Lifecycle {
    pub bootstrap: Option<BootstrapMode>,
    pub on_failure: Option<OnFailure>,
    pub on_failure_given: bool,
}

pub fn read(reader: &mut Reader<'_>) -> Lifecycle {
    let choices = [("exit", OnFailure::Exit), ("hold", OnFailure::Hold)];
    Lifecycle {
        bootstrap: read_bootstrap_mode(reader),
        on_failure: read_choice(reader, "CAULDRON_ON_FAILURE", "exit", &choices),
        on_failure_given: reader.given("CAULDRON_ON_FAILURE").is_some(),
    }
}

fn read_bootstrap_mode(reader: &mut Reader<'_>) -> Option<BootstrapMode> {
    let choices = [
        ("auto", BootstrapMode::Auto),
        ("lead", BootstrapMode::Lead),
        ("follow", BootstrapMode::Follow),
        ("off", BootstrapMode::Off),
    ];
    read_choice(reader, "CAULDRON_BOOTSTRAP", "auto", &choices)
}

pub struct Times {
    /// Some(None) waits without a limit; None is a problem.
    pub wait: Option<Option<Duration>>,
    pub drain: Option<Duration>,
    pub grace: Option<Duration>,
}

pub fn read_times(reader: &mut Reader<'_>) -> Times {
    let wait = read_duration(reader, "CAULDRON_WAIT_TIMEOUT", Some("120s"));
    Times {
        wait: wait.map(|wait| Some(wait).filter(|wait| *wait < NO_LIMIT)),
        drain: read_duration(reader, "CAULDRON_DRAIN", Some("0s")),
        grace: read_duration(reader, "CAULDRON_GRACE", None),
    }
}
