//! Counts the rows of each table in pg_dump's plain script while it passes by, in constant memory.
//!
//! ```text
//!             -- Data for Name: …; Type: TABLE DATA; …       COPY public."tabUser" (…) FROM stdin;
//!   Outside ──────────────────────────────────────▶ Heading ─────────────────────────────────▶ Rows ──\.──▶ Outside
//! ```
//!
//! A row is a line: COPY writes a line end within a value as `\n`. `COPY` counts only after its heading, so that the same
//! words in the body of a function are no table.

use std::collections::BTreeMap;

use memchr::memchr_iter;

use crate::postgres::dump::COMPLETE;
use crate::postgres::plain_dump::copy_head::CopyHead;

const HEADING: &str = "-- Data for Name: ";
/// A longer line is neither a heading nor the start of a table's rows.
const MAX_LINE_BYTES: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
enum State {
    Outside,
    Heading,
    Rows { table: String, rows: u64 },
}

/// The counts so far.
#[derive(Debug)]
pub struct CopyCounter {
    state: State,
    /// The beginning of the line that is not complete yet; within rows only its first bytes.
    line: Vec<u8>,
    tables: BTreeMap<String, u64>,
    is_complete: bool,
}

impl Default for CopyCounter {
    fn default() -> Self {
        Self { state: State::Outside, line: Vec::new(), tables: BTreeMap::new(), is_complete: false }
    }
}

impl CopyCounter {
    /// Reads the next bytes of the script.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut begin = 0;
        for end in memchr_iter(b'\n', bytes) {
            self.keep(&bytes[begin..end]);
            self.end_of_line();
            begin = end + 1;
        }
        self.keep(&bytes[begin..]);
    }

    /// The rows of each table, by `schema.table`; None if the script is not complete.
    pub fn finish(self) -> Option<BTreeMap<String, u64>> {
        (self.is_complete && self.state == State::Outside).then_some(self.tables)
    }

    fn keep(&mut self, part: &[u8]) {
        // Of a row, three bytes tell whether it is the end.
        let limit = if matches!(self.state, State::Rows { .. }) { 3 } else { MAX_LINE_BYTES };
        let room = limit.saturating_sub(self.line.len());
        self.line.extend(&part[..part.len().min(room)]);
    }

    fn end_of_line(&mut self) {
        match &mut self.state {
            State::Rows { table, rows } => {
                if self.line == br"\." {
                    *self.tables.entry(std::mem::take(table)).or_default() += *rows;
                    self.state = State::Outside;
                } else {
                    *rows += 1;
                }
            }
            State::Outside | State::Heading => self.read_line(),
        }
        self.line.clear();
    }

    fn read_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        if line.starts_with(HEADING) && line.contains("; Type: TABLE DATA; ") {
            self.state = State::Heading;
        } else if self.state == State::Heading && !line.is_empty() && line != "--" {
            self.state = match line.strip_prefix("COPY ").and_then(|rest| CopyHead::parse(rest.as_bytes())) {
                Some(CopyHead { table, .. }) => State::Rows { table, rows: 0 },
                None => State::Outside,
            };
        } else if line == COMPLETE {
            self.is_complete = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading(table: &str) -> String {
        format!("--\n-- Data for Name: {table}; Type: TABLE DATA; Schema: public; Owner: -\n--\n\n")
    }

    fn script() -> String {
        let user = heading("Ledger")
            + "COPY public.\"Ledger\" (name, \"full \"\"name\") FROM stdin;\na\tb\\nc\nd\t\\.\n\\.\n\n\n";
        let empty = heading("empty") + "COPY public.empty (a) FROM stdin;\n\\.\n\n";
        let quotes = heading("a\".b") + "COPY public.\"a\"\".b\" (a) FROM stdin;\n\n\\N\n\\.\n\n";
        let function = "CREATE FUNCTION f() AS $$\nCOPY public.trap (a) FROM stdin;\n$$;\n";
        format!(
            "--\n-- PostgreSQL database dump\n--\n\n{function}{user}{empty}{quotes}--\n{COMPLETE}\n--\n\n"
        )
    }

    fn counted(script: &str, piece: usize) -> Option<BTreeMap<String, u64>> {
        let mut counter = CopyCounter::default();
        script.as_bytes().chunks(piece).for_each(|bytes| counter.push(bytes));
        counter.finish()
    }

    #[test]
    fn rows_are_counted_however_the_script_is_cut() {
        let expected = [("public.Ledger", 2), ("public.a\".b", 2), ("public.empty", 0)];
        let expected: BTreeMap<String, u64> = expected.map(|(table, rows)| (table.to_string(), rows)).into();
        for piece in [1, 2, 3, 7, 64, 100_000] {
            assert_eq!(counted(&script(), piece).as_ref(), Some(&expected), "pieces of {piece}");
        }
    }

    #[test]
    fn a_script_that_is_cut_off_is_not_complete() {
        let script = script();
        let complete = script.find(COMPLETE).unwrap() + COMPLETE.len();
        for end in (0..=complete).step_by(13).chain([complete]) {
            assert_eq!(counted(&script[..end], 64), None, "cut at {end}");
        }
        assert!(counted(&script[..=complete], 64).is_some());
    }

    #[test]
    fn memory_is_bounded_in_a_row_of_any_length() {
        let mut counter = CopyCounter::default();
        counter.push((heading("t") + "COPY public.t (a) FROM stdin;\n").as_bytes());
        (0..100).for_each(|_| counter.push(&[b'x'; 100_000]));
        assert!(counter.line.capacity() <= MAX_LINE_BYTES);
        counter.push(format!("\n\\.\n{COMPLETE}\n").as_bytes());
        assert_eq!(counter.finish().unwrap()["public.t"], 1);
    }
}
