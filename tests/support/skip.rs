//! What cannot be tested on this machine is told by name, past libtest, which swallows what a passing test prints.

use std::fmt::Display;
use std::io::Write;

/// One line on stderr: `SKIPPED test: why`. `.ci/run` repeats all of them at its end.
pub fn skipped(test: &str, why: impl Display) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
