//! Our own log: events on stderr, as text on a terminal and as JSON otherwise.

pub mod live_line;
pub mod log_throttle;
pub mod panic;
pub mod recent;
pub mod redaction;
pub mod redis_logins;
pub mod sink;
pub mod termination_log;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

/// Long enough for the writer thread to run on a busy machine. A stalled reader delays the end of the process no
/// longer.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

/// True once logging has started in JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Starts logging. Called once, as soon as format and level are known.
pub fn start(format: LogFormat, level: LevelFilter) {
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    IS_JSON.store(json, Ordering::Relaxed);
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(|| live_line::AboveTheLine);
    if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        builder.with_target(false).with_ansi(false).init();
    }
}

/// Returns the value of a field under its former name, for the versions that write both: Some in JSON, where a program
/// may read the former name, and None in text.
pub fn former_key(value: &str) -> Option<&str> {
    IS_JSON.load(Ordering::Relaxed).then_some(value)
}

/// Prints a line that is not an event on stderr, such as a fault or a problem of the configuration.
pub fn print_error(line: &str) {
    sink::stderr().write_record(format!("{line}\n").as_bytes());
}

/// Prints a report on stdout. It may have no reader, so the exit code gives the result as well.
pub fn print(text: &str) {
    sink::stdout().write_record(text.as_bytes());
}

/// Waits briefly for a slow reader to get the last lines. Called before the process exits or executes another program.
pub fn flush() {
    sink::flush(FLUSH_TIMEOUT);
}

/// Returns the number of lines that were dropped because our output was not read.
pub fn dropped_lines() -> u64 {
    sink::dropped()
}

/// How a child's output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildLogs {
    /// The child writes to our own stdout and stderr.
    Inherit,
    /// Each line with the child's name as a prefix.
    Prefix,
    /// Each line as a JSON object.
    Json,
}
