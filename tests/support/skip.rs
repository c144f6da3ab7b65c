//! Reports tests that cannot run on this machine, past libtest, which captures the output of passing tests.

use std::fmt::Display;
use std::io::Write;

/// Writes one line to stderr: `SKIPPED test: why`. `.ci/run` repeats all of them at its end.
pub fn skipped(test: &str, why: impl Display) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
