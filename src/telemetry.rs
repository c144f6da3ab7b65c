//! Our own log: events on stderr, text on a terminal and JSON otherwise.

pub mod live_line;
pub mod panic;
pub mod sink;
pub mod termination_log;

use std::io::IsTerminal;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

/// A busy machine runs the writing thread within it; a stop waits no longer for a reader that stalls.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

/// Starts logging. Called once, as soon as format and level are known.
pub fn start(format: LogFormat, level: LevelFilter) {
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(|| live_line::AboveTheLine);
    if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        builder.with_target(false).with_ansi(false).init();
    }
}

/// Tells the operator something that is no event: a fault, a list of problems.
pub fn tell(line: &str) {
    sink::stderr().write_record(format!("{line}\n").as_bytes());
}

/// A report on stdout. Nobody may be reading; the exit code says it, too.
pub fn print(text: &str) {
    sink::stdout().write_record(text.as_bytes());
}

/// The last thing before the exit code, or before another program takes this process's place: lets a reader that
/// is slow, but there, have the last lines.
pub fn flush() {
    sink::flush(FLUSH_TIMEOUT);
}

/// Lines that were dropped because nobody read our output.
pub fn dropped_lines() -> u64 {
    sink::dropped()
}

/// What becomes of a child's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildLogs {
    /// The child writes to our own stdout and stderr.
    Inherit,
    /// Each line with the child's name before it.
    Prefix,
    /// Each line as a JSON object.
    Json,
}
