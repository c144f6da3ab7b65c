//! Holds a step of the sample bench at a named point (tests/sample-bench, barrier.py), so that a test can look or kill.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::binary::{Binary, LONG};
use super::wait::eventually;

pub struct Barrier {
    listener: UnixListener,
    folder: TempDir,
    steps: String,
}

/// A step that waits; it goes on when this is dropped.
pub struct Held {
    stream: UnixStream,
    pub step: String,
    pub pid: i32,
}

impl Barrier {
    pub fn at(steps: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("barrier-").tempdir().expect("a folder for a barrier");
        let listener = UnixListener::bind(folder.path().join("socket")).expect("a socket");
        listener.set_nonblocking(true).expect("a socket that does not block");
        Self { listener, folder, steps: steps.to_owned() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn on(&self, binary: Binary) -> Binary {
        binary
            .set("SAMPLE_BENCH_BARRIER", &self.steps)
            .set("SAMPLE_BENCH_BARRIER_SOCKET", self.socket().display())
    }

    /// For a command that is not started by the program under test.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("SAMPLE_BENCH_BARRIER", self.steps.clone()),
            ("SAMPLE_BENCH_BARRIER_SOCKET", self.socket().display().to_string()),
        ]
    }

    #[track_caller]
    pub fn reached(&self) -> Held {
        let what = format!("a step reaches {}", self.steps);
        let (stream, _) = eventually(LONG, &what, || self.listener.accept().ok());
        stream.set_nonblocking(false).expect("a stream that blocks");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("the step's name");
        let (step, pid) = line.trim().rsplit_once(' ').expect("name and pid");
        Held { step: step.to_owned(), pid: pid.parse().expect("a pid"), stream }
    }

    /// Whether a step waits now that nobody has taken.
    pub fn another_came(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

impl Held {
    pub fn go_on(mut self) {
        let _ = self.stream.write_all(b".");
    }

    pub fn kill_9(&self) {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).expect("a step to kill");
    }
}
