//! Answers git's prompt for a login. git starts this program under another name (`cli::ASKPASS`).

use std::path::Path;

use crate::apps::git::askpass;
use crate::outcome::{DONE, UNAVAILABLE};
use crate::telemetry;

/// Prints the answer and returns the exit code: 69 if no login is known for the host.
pub fn git_askpass(program: &Path, prompt: &str) -> u8 {
    let Some(answer) = askpass::answer(program, prompt) else { return UNAVAILABLE };
    telemetry::print(&format!("{answer}\n"));
    DONE
}
