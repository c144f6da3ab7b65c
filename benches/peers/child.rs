//! The order to the child that every init is made to start (`measured_child.rs`).

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the child is to do once it has told that it is up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    End,
    /// Ends by itself when it gets TERM; told USR1, it crashes.
    Wait,
}

/// How the child is started.
pub struct Order {
    fifo: PathBuf,
    then: Then,
}

impl Order {
    pub fn new(fifo: &Path, then: Then) -> Self {
        Self { fifo: fifo.to_owned(), then }
    }

    /// The command line that gives it.
    pub fn words(&self) -> Vec<String> {
        let then = if self.then == Then::End { "end" } else { "wait" };
        [program().display().to_string(), self.fifo.display().to_string(), then.into()].into()
    }

    /// Started by nobody but us, or by an init: the words of the init come first.
    pub fn command(&self, init: &[&str]) -> Command {
        let mut words: Vec<String> = init.iter().map(|&word| word.to_owned()).collect();
        words.extend(self.words());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }
}

/// Cargo puts examples beside the folder where this program is.
pub fn program() -> PathBuf {
    let bench = std::env::current_exe().expect("this program's path");
    let profile = bench.parent().and_then(Path::parent).expect("target/…/debug/deps");
    profile.join("examples/measured-child")
}
