//! A status line at the bottom of a terminal that shows the current step. Events are written above it. Without a
//! terminal there is no such line, since every step logs events.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use super::sink;
use crate::sys::terminal;

static SHOWN: Mutex<Option<String>> = Mutex::new(None);

/// Moves to the first column and clears the line.
const CLEAR: &str = "\r\x1b[K";

/// Replaces the line.
pub fn show(text: &str) {
    if !io::stderr().is_terminal() {
        return;
    }
    let line = cut_to(text, terminal::columns());
    sink::stderr().write_record(format!("{CLEAR}{line}").as_bytes());
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
}

/// Removes the line.
pub fn clear() {
    if SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
        sink::stderr().write_record(CLEAR.as_bytes());
    }
}

/// Cuts a text to one line: a line that wraps would not be cleared completely.
fn cut_to(text: &str, columns: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(columns.saturating_sub(1)).collect()
}

/// Writes records to stderr, above the line if there is one.
pub struct AboveTheLine;

impl Write for AboveTheLine {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
        match shown.as_ref() {
            None => sink::stderr().write_record(record),
            Some(line) => {
                sink::stderr().write_record(&[CLEAR.as_bytes(), record, line.as_bytes()].concat());
            }
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_to_the_terminal_and_moves_no_cursor() {
        assert_eq!(cut_to("new-site\r\x1b[2J 12 s", 10), "new-site[");
    }
}
