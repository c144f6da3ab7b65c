//! `completions SHELL`: prints the completion script of a shell.

use clap_complete::Shell;

use crate::cli::describe;
use crate::outcome::DONE;
use crate::telemetry;

/// Prints the script and returns the exit code.
pub fn completions(shell: Shell) -> u8 {
    telemetry::print(&describe::completions(shell));
    DONE
}
