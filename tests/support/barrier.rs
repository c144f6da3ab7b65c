//! Holds a command of the sample bench at a named step until the test releases it (see barrier.py for the steps).

use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::wait::within;

pub struct Barrier {
    folder: TempDir,
    listener: UnixListener,
    steps: String,
}

/// A command that waits at a step. Dropping this releases it.
pub struct Held {
    pub step: String,
    pub pid: u32,
    connection: BufReader<UnixStream>,
}

impl Barrier {
    /// `steps` is one step or a comma list.
    pub fn at(steps: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("barrier-").tempdir().expect("a folder for a socket");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open.clone()).expect("a socket for every user");
        let listener = UnixListener::bind(folder.path().join("socket")).expect("a socket");
        std::fs::set_permissions(folder.path().join("socket"), open).expect("a socket for every user");
        listener.set_nonblocking(true).expect("a socket to poll");
        Self { folder, listener, steps: steps.to_owned() }
    }

    /// The variables for the environment of the command, or of the program that will run it.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let socket: PathBuf = self.folder.path().join("socket");
        [
            ("SAMPLE_BENCH_BARRIER", self.steps.clone()),
            ("SAMPLE_BENCH_BARRIER_SOCKET", socket.to_str().expect("a plain path").to_owned()),
        ]
    }

    /// Waits until a command reaches a step; the test fails after `deadline`.
    #[track_caller]
    pub fn wait(&self, deadline: Duration) -> Held {
        self.wait_or_none(deadline).unwrap_or_else(|| panic!("not within {deadline:?}: {}", self.steps))
    }

    pub fn wait_or_none(&self, deadline: Duration) -> Option<Held> {
        within(deadline, || match self.listener.accept() {
            Ok((connection, _)) => Some(Held::read(connection)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("the barrier's socket: {error}"),
        })
    }
}

impl Held {
    fn read(connection: UnixStream) -> Self {
        connection.set_nonblocking(false).expect("a connection to read");
        let mut connection = BufReader::new(connection);
        let mut line = String::new();
        connection.read_line(&mut line).expect("a step's name");
        let (step, pid) = line.trim().rsplit_once(' ').expect("a step and a pid");
        Self { step: step.to_owned(), pid: pid.parse().expect("a pid"), connection }
    }

    /// Releases the command; dropping does the same.
    pub fn release(self) {
        drop(self.connection);
    }
}
