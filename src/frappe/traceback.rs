//! Folds the lines of a Python traceback into one record, so that a log has one event for one exception.
//!
//! ```text
//!   outside ── "Traceback …" ─▶ in frames ── first line without indent ─▶ raised ── any other line ─▶ outside
//!                                   ▲                                        │
//!                                   └── "Traceback …" of a chained exception ┘
//! ```
//!
//! A pure state machine: no clock, no I/O. Lines come without their line ends, and empty lines are left out.

use super::failure_line::reason;

/// A longer traceback is cut into several records.
const MAX_LINES: usize = 500;

/// One record of a program's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folded {
    Line(String),
    Traceback {
        /// The exception's own line.
        exception: String,
        /// All lines, with their line breaks.
        text: String,
    },
}

/// The state between two lines of one stream.
#[derive(Debug, Default)]
pub struct TracebackFold {
    lines: Vec<String>,
    /// The exception's own line was read: only its continuation still belongs to the traceback.
    raised: bool,
}

impl TracebackFold {
    /// Takes one line; returns the records that are complete.
    pub fn push(&mut self, line: &str) -> Vec<Folded> {
        if self.lines.is_empty() && !is_start(line) {
            return vec![Folded::Line(line.to_string())];
        }
        let is_indented = line.starts_with([' ', '\t']);
        let is_chained = is_start(line) && self.lines.last().is_some_and(|last| joins_a_chain(last));
        let belongs = is_chained || is_indented || !self.raised || is_continuation(line);
        if !belongs || self.lines.len() == MAX_LINES {
            let mut records: Vec<Folded> = self.end().into_iter().collect();
            records.extend(self.push(line));
            return records;
        }
        // A line that joins two chained exceptions raises nothing, and neither does the head of a traceback.
        self.raised = !is_start(line) && (self.raised || !is_indented);
        self.lines.push(line.to_string());
        Vec::new()
    }

    /// The stream ended: returns the traceback that was being read.
    pub fn end(&mut self) -> Option<Folded> {
        if self.lines.is_empty() {
            return None;
        }
        self.raised = false;
        let lines = std::mem::take(&mut self.lines);
        Some(Folded::Traceback { exception: reason(&lines), text: lines.join("\n") })
    }
}

/// `Traceback (most recent call last):`, or Frappe's `Traceback with variables (…)`.
fn is_start(line: &str) -> bool {
    line.starts_with("Traceback ") && line.ends_with("(most recent call last):")
}

/// A line without indent that belongs to the exception above it: PostgreSQL's details, and what joins a chain.
fn is_continuation(line: &str) -> bool {
    joins_a_chain(line)
        || ["LINE ", "DETAIL:", "HINT:", "CONTEXT:"].iter().any(|begin| line.starts_with(begin))
}

/// The line that Python writes between two chained exceptions.
fn joins_a_chain(line: &str) -> bool {
    line.starts_with("During handling of the above") || line.starts_with("The above exception was")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<Folded> {
        let mut fold = TracebackFold::default();
        let mut records: Vec<Folded> =
            text.lines().filter(|line| !line.is_empty()).flat_map(|line| fold.push(line)).collect();
        records.extend(fold.end());
        records
    }

    fn line(text: &str) -> Folded {
        Folded::Line(text.into())
    }

    const PLAIN: &str =
        "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nKeyError: 'x'";

    #[test]
    fn lines_around_a_traceback_stay_lines() {
        let records = folded(&format!("before\n  indented\n{PLAIN}\nafter\nValueError: not a traceback"));
        let traceback = Folded::Traceback { exception: "KeyError: 'x'".into(), text: PLAIN.into() };
        let expected = [
            line("before"),
            line("  indented"),
            traceback,
            line("after"),
            line("ValueError: not a traceback"),
        ];
        assert_eq!(records, expected);
    }

    #[test]
    fn chained_exceptions_are_one_record_with_the_last_as_its_reason() {
        let chained = format!(
            "{PLAIN}\nDuring handling of the above exception, another exception occurred:\n\
             Traceback (most recent call last):\n  File \"b.py\", line 1, in g\n    raise\n\
             psycopg2.errors.UndefinedTable: relation \"tabX\" does not exist\nLINE 1: SELECT\n        ^\nnext"
        );
        let records = folded(&chained);
        let [Folded::Traceback { exception, text }, Folded::Line(next)] = &records[..] else {
            panic!("{records:?}")
        };
        assert!(exception.starts_with("psycopg2.errors.UndefinedTable: relation"), "{exception}");
        assert!(text.starts_with(PLAIN) && text.ends_with("        ^"));
        assert_eq!(next, "next");
    }

    #[test]
    fn two_tracebacks_in_a_row_and_one_that_is_cut_off() {
        let records = folded(&format!(
            "{PLAIN}\n{PLAIN}\nTraceback (most recent call last):\n  File \"b.py\", line 1, in g"
        ));
        assert_eq!(records.len(), 3);
        assert!(matches!(&records[2], Folded::Traceback { text, .. } if text.ends_with("in g")));
    }

    #[test]
    fn a_traceback_without_end_is_bounded() {
        let frames = "    x = 1\n".repeat(MAX_LINES * 2);
        let records = folded(&format!("Traceback (most recent call last):\n{frames}"));
        assert!(records.len() >= 2, "{}", records.len());
    }
}
