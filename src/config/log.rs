//! Our own log, and what becomes of a child's output.

use tracing::level_filters::LevelFilter;

use super::source::Reader;
use super::value::read_choice;
use crate::telemetry::{ChildLogs, LogFormat};

/// Format and level; their defaults where they are wrong, which is told with the other problems.
pub fn read(reader: &mut Reader<'_>) -> (LogFormat, LevelFilter) {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = read_choice(reader, "CAULDRON_LOG_FORMAT", &formats);
    let levels = [
        ("info", LevelFilter::INFO),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let level = read_choice(reader, "CAULDRON_LOG_LEVEL", &levels);
    (format.unwrap_or(LogFormat::Auto), level.unwrap_or(LevelFilter::INFO))
}

/// Where several programs share one log, their names stand before their lines.
pub fn read_child_logs(reader: &mut Reader<'_>, many: bool) -> Option<ChildLogs> {
    let mut choices =
        [("inherit", ChildLogs::Inherit), ("prefix", ChildLogs::Prefix), ("json", ChildLogs::Json)];
    if many {
        choices.swap(0, 1);
    }
    read_choice(reader, "CAULDRON_CHILD_LOGS", &choices)
}
