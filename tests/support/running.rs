//! A long-lived child of a test, in its own process group, with its output in a file; dropping it kills the group.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::NamedTempFile;

use super::wait::within;

pub struct Running {
    child: Child,
    log: NamedTempFile,
}

/// An exit code; a signal is minus its number.
pub type Exit = i32;

impl Running {
    pub fn spawn(command: &mut Command) -> Self {
        let log = NamedTempFile::new().expect("a file for output");
        let file = || Stdio::from(File::options().append(true).open(log.path()).expect("a file for output"));
        let child = command
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Sends a signal only to the group's leader.
    pub fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(Pid::from_raw(self.pid() as i32), signal).expect("a child to signal");
    }

    /// Sends SIGKILL to the whole group, and reaps its leader.
    pub fn kill_group(&mut self) {
        let _ = killpg(Pid::from_raw(self.pid() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// The exit code; None while it runs.
    pub fn exit(&mut self) -> Option<Exit> {
        let status = self.child.try_wait().expect("a child's state")?;
        Some(status.code().unwrap_or_else(|| -status.signal().unwrap_or_default()))
    }

    pub fn exit_within(&mut self, deadline: Duration) -> Option<Exit> {
        within(deadline, || self.exit())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
    }
}
