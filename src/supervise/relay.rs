//! Relays a child's output to ours (CAULDRON_CHILD_LOGS).

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::output::{OutputLine, Stream};
use super::spawn::Output;
use crate::telemetry::ChildLogs;
use crate::telemetry::redaction::Redaction;
use crate::telemetry::sink;

/// The output mode of a child of `role`: inherited, prefixed with the child's name, or each line as a JSON
/// object like our own log lines. Secrets are taken out of lines that we read. Inherited output is not read: there,
/// Python children take out logins of Redis URLs themselves (`frappe/sitecustomize.py`).
pub fn relay_for(
    role: &'static str,
    logs: ChildLogs,
    name: &str,
    secrets: impl FnOnce() -> Redaction,
) -> Output {
    if logs == ChildLogs::Inherit {
        return Output::Inherit;
    }
    relay_with(role, logs, name, Some(secrets()))
}

/// The output mode of a program without a role, which is not Frappe's: its bytes stay.
pub fn relay(logs: ChildLogs, name: &str) -> Output {
    relay_with("", logs, name, None)
}

fn relay_with(role: &'static str, logs: ChildLogs, name: &str, secrets: Option<Redaction>) -> Output {
    let origin = Origin { role, child: name.to_string() };
    let format: fn(&Origin, OutputLine<'_>) -> Vec<u8> = match logs {
        ChildLogs::Inherit => return Output::Inherit,
        ChildLogs::Prefix => with_prefix,
        ChildLogs::Json => as_json,
    };
    Output::Lines(Arc::new(move |line| {
        if line.redrawn {
            return;
        }
        let text = match &secrets {
            Some(secrets) => Cow::Owned(secrets.apply_to_output(line.text)),
            None => Cow::Borrowed(line.text),
        };
        let record = format(&origin, OutputLine { text: &text, ..line });
        match line.stream {
            Stream::Stdout => sink::stdout().write_record(&record),
            Stream::Stderr => sink::stderr().write_record(&record),
        }
    }))
}

/// The source of a line.
struct Origin {
    role: &'static str,
    child: String,
}

fn with_prefix(origin: &Origin, line: OutputLine<'_>) -> Vec<u8> {
    [origin.child.as_bytes(), b" | ", line.text, b"\n"].concat()
}

fn as_json(origin: &Origin, line: OutputLine<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Record<'a> {
        timestamp: String,
        #[serde(skip_serializing_if = "str::is_empty")]
        role: &'a str,
        child: &'a str,
        pid: i32,
        stream: String,
        message: Cow<'a, str>,
    }
    let mut timestamp = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let message = String::from_utf8_lossy(line.text);
    let stream = line.stream.to_string();
    let record =
        Record { timestamp, role: origin.role, child: &origin.child, pid: line.pid, stream, message };
    let mut bytes = serde_json::to_vec(&record).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: OutputLine<'_> =
        OutputLine { stream: Stream::Stderr, pid: 7, text: b"said \"x\" \xff", redrawn: false };

    fn origin(role: &'static str) -> Origin {
        Origin { role, child: "web".into() }
    }

    #[test]
    fn a_prefix_keeps_the_bytes() {
        assert_eq!(with_prefix(&origin(""), LINE), b"web | said \"x\" \xff\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let value: serde_json::Value = serde_json::from_slice(&as_json(&origin("web"), LINE)).unwrap();
        assert_eq!((&value["child"], &value["stream"]), (&"web".into(), &"stderr".into()));
        assert_eq!((&value["role"], &value["pid"]), (&"web".into(), &7.into()));
        assert!(!String::from_utf8(as_json(&origin(""), LINE)).unwrap().contains("role"));
        assert_eq!(value["message"], "said \"x\" \u{fffd}");
    }
}
