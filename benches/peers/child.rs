//! The command line of the child that every measured init starts (`measured_child.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;

/// The behaviour of the child after it reported that it is up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    End,
    /// Waits for a signal: TERM ends it, USR1 makes it crash.
    Wait,
}

/// The arguments of the child.
pub struct Order {
    fifo: PathBuf,
    then: Then,
}

impl Order {
    pub fn new(fifo: &Path, then: Then) -> Self {
        Self { fifo: fifo.to_owned(), then }
    }

    /// The words of the command line.
    pub fn words(&self) -> Vec<String> {
        let then = if self.then == Then::End { "end" } else { "wait" };
        [program().display().to_string(), self.fifo.display().to_string(), then.into()].into()
    }

    /// The command that starts the child, under an init if `init` has its words.
    pub fn command(&self, init: &[&str]) -> Command {
        let mut words: Vec<String> = init.iter().map(|&word| word.to_owned()).collect();
        words.extend(self.words());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }
}

/// The path of the child's program: Cargo puts examples beside the folder of this program.
pub fn program() -> PathBuf {
    let bench = std::env::current_exe().expect("this program's path");
    let profile = bench.parent().and_then(Path::parent).expect("target/…/debug/deps");
    profile.join("examples/measured-child")
}
