//! `man`: prints the manual page.

use crate::cli::describe;
use crate::outcome::DONE;
use crate::telemetry;

/// Prints the page and returns the exit code.
pub fn man() -> u8 {
    telemetry::print(&describe::manual());
    DONE
}
