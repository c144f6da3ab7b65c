//! The few settings of `run`: no file of a bench is read for any program.

use std::time::Duration;

use super::duration;
use super::log::read_child_logs;
use super::source::Reader;
use super::value::{DURATION_MEND, read_parsed};
use crate::telemetry::ChildLogs;

#[derive(Clone, Debug)]
pub struct RunConfig {
    pub grace: Duration,
    pub child_logs: ChildLogs,
}

/// Reads them; what is wrong is in `reader.problems`.
pub fn load(reader: &mut Reader<'_>) -> Option<RunConfig> {
    Some(RunConfig {
        grace: read_parsed(reader, "CAULDRON_GRACE", duration::parse_limit, DURATION_MEND)
            .unwrap_or(Duration::from_secs(10)),
        child_logs: read_child_logs(reader, false)?,
    })
}
