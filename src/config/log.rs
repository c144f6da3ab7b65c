//! Settings of our own log and of the output of child processes.

use tracing::level_filters::LevelFilter;

use super::reader::Reader;
use super::value::read_choice;
use crate::telemetry::{ChildLogs, LogFormat};

/// Returns format and level. An invalid value gives the default here, and is reported with the other problems.
pub fn read(reader: &mut Reader<'_>) -> (LogFormat, LevelFilter) {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = read_choice(reader, "CAULDRON_LOG_FORMAT", "auto", &formats);
    let levels = [
        ("info", LevelFilter::INFO),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let level = read_choice(reader, "CAULDRON_LOG_LEVEL", "info", &levels);
    (format.unwrap_or(LogFormat::Auto), level.unwrap_or(LevelFilter::INFO))
}

/// How the output of children is written. If several programs share one log, the default prefixes lines with names.
pub fn read_child_logs(reader: &mut Reader<'_>, many: bool) -> Option<ChildLogs> {
    let choices = [("inherit", ChildLogs::Inherit), ("prefix", ChildLogs::Prefix), ("json", ChildLogs::Json)];
    read_choice(reader, "CAULDRON_CHILD_LOGS", if many { "prefix" } else { "inherit" }, &choices)
}
