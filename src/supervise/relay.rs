//! What becomes of a child's output (CAULDRON_CHILD_LOGS).

use std::sync::Arc;

use serde::Serialize;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::output::{OutputLine, Stream};
use super::spawn::Output;
use crate::config::ChildLogs;
use crate::telemetry::sink;

/// Untouched, with the child's name before each line, or each line as a JSON object like our own.
pub fn relay(logs: ChildLogs, name: &str) -> Output {
    let name = name.to_string();
    let format: fn(&str, OutputLine<'_>) -> Vec<u8> = match logs {
        ChildLogs::Inherit => return Output::Inherit,
        ChildLogs::Prefix => with_prefix,
        ChildLogs::Json => as_json,
    };
    Output::Lines(Arc::new(move |line| {
        if line.redrawn {
            return;
        }
        let record = format(&name, line);
        match line.stream {
            Stream::Stdout => sink::stdout().write_record(&record),
            Stream::Stderr => sink::stderr().write_record(&record),
        }
    }))
}

fn with_prefix(name: &str, line: OutputLine<'_>) -> Vec<u8> {
    [name.as_bytes(), b" | ", line.text, b"\n"].concat()
}

fn as_json(name: &str, line: OutputLine<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Record<'a> {
        timestamp: String,
        child: &'a str,
        stream: String,
        message: std::borrow::Cow<'a, str>,
    }
    let mut timestamp = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let message = String::from_utf8_lossy(line.text);
    let record = Record { timestamp, child: name, stream: line.stream.to_string(), message };
    let mut bytes = serde_json::to_vec(&record).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: OutputLine<'_> =
        OutputLine { stream: Stream::Stderr, text: b"said \"x\" \xff", redrawn: false };

    #[test]
    fn a_prefix_keeps_the_bytes() {
        assert_eq!(with_prefix("web", LINE), b"web | said \"x\" \xff\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let value: serde_json::Value = serde_json::from_slice(&as_json("web", LINE)).unwrap();
        assert_eq!((&value["child"], &value["stream"]), (&"web".into(), &"stderr".into()));
        assert_eq!(value["message"], "said \"x\" \u{fffd}");
    }
}
