//! The settings of `run`. It reads no file of a bench, since it runs any program.

use std::time::Duration;

use super::log::read_child_logs;
use super::reader::Reader;
use super::value::read_duration;
use crate::telemetry::ChildLogs;

#[derive(Clone, Debug)]
pub struct RunConfig {
    pub grace: Duration,
    pub child_logs: ChildLogs,
}

/// Reads the settings. Problems are added to `reader.problems`.
pub fn load(reader: &mut Reader<'_>) -> Option<RunConfig> {
    Some(RunConfig {
        grace: read_duration(reader, "CAULDRON_GRACE", None).unwrap_or(Duration::from_secs(10)),
        child_logs: read_child_logs(reader, false)?,
    })
}
