//! A harness for black-box tests of process supervision: children report events through a fifo, and every wait
//! has a deadline. No test sleeps.
#![allow(dead_code)] // Each test file uses only a part.

#[path = "../support/skip.rs"]
pub mod skip;

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use self::skip::skipped;

pub const BINARY: &str = env!("CARGO_BIN_EXE_cauldron-frappe");
/// A longer wait counts as a hang. Generous, since test machines are busy.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// The limit for an exit that must not wait for the grace period, which tests set to a minute.
pub const PROMPT: Duration = Duration::from_secs(5);

pub struct Harness {
    pub folder: tempfile::TempDir,
    fifo: File,
    unclaimed: Vec<u8>,
}

impl Harness {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        // Opened for reading and writing: opening does not block, and end of file never occurs.
        let fifo = File::options().read(true).write(true).open(&path).expect("the fifo");
        Self { folder, fifo, unclaimed: Vec::new() }
    }

    pub fn events(&self) -> PathBuf {
        self.folder.path().join("events")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits for a line that begins with this word, in any order; returns the rest of the line.
    #[track_caller]
    pub fn event(&mut self, word: &str) -> String {
        self.event_within(word, DEADLINE).unwrap_or_else(|| {
            panic!("no event `{word}`; unclaimed: {:?}", String::from_utf8_lossy(&self.unclaimed))
        })
    }

    pub fn event_within(&mut self, word: &str, deadline: Duration) -> Option<String> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(rest) = self.take(word) {
                return Some(rest);
            }
            let left = end.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left).expect("a timeout");
            if left.is_zero() || poll(&mut ready, timeout).expect("poll") == 0 {
                return None;
            }
            let mut chunk = [0; 4096];
            let length = self.fifo.read(&mut chunk).expect("an event");
            self.unclaimed.extend_from_slice(&chunk[..length]);
        }
    }

    /// Waits for an event whose rest is a pid.
    #[track_caller]
    pub fn pid(&mut self, word: &str) -> i32 {
        self.event(word).trim().parse().expect("a pid")
    }

    fn take(&mut self, word: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.unclaimed).into_owned();
        let mut begin = 0;
        for line in text.split_inclusive('\n') {
            let matches = line.ends_with('\n') && line.split([' ', '\n']).next() == Some(word);
            if matches {
                self.unclaimed.drain(begin..begin + line.len());
                return Some(line[word.len()..].trim().to_string());
            }
            begin += line.len();
        }
        None
    }

    /// Starts `cauldron-frappe run FLAGS -- sh -c SCRIPT`; the script reports with `echo word >>$EVENTS`.
    pub fn run(&self, flags: &[&str], script: &str) -> Subject {
        self.start(self.command(flags, script))
    }

    pub fn command(&self, flags: &[&str], script: &str) -> Command {
        let mut command = self.program(BINARY);
        command.arg("run").args(flags).args(["--", "sh", "-c", script]);
        command
    }

    /// A command for any program, with the fifo in its environment and its output in files.
    pub fn program(&self, program: &str) -> Command {
        let file = |name: &str| Stdio::from(File::create(self.path(name)).expect("a file"));
        let mut command = Command::new(program);
        command.env("EVENTS", self.events()).env("BINARY", BINARY);
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).process_group(0);
        command
    }

    pub fn start(&self, mut command: Command) -> Subject {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = child.id().cast_signed();
        let (exit_tx, exit) = channel();
        std::thread::spawn(move || {
            let status = child.wait().expect("an exit status");
            let _ = exit_tx.send(status.code().unwrap_or_else(|| -status.signal().unwrap_or_default()));
        });
        Subject { pid, exit, has_ended: false }
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.path("stdout")).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }
}

/// A started program; killed when dropped.
pub struct Subject {
    pub pid: i32,
    exit: Receiver<i32>,
    has_ended: bool,
}

impl Subject {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).expect("a process to signal");
    }

    /// Waits for the exit code; a signal is minus its number.
    #[track_caller]
    pub fn exit(&mut self) -> i32 {
        self.exit_within(DEADLINE).expect("no exit within the deadline")
    }

    pub fn exit_within(&mut self, deadline: Duration) -> Option<i32> {
        let exit = self.exit.recv_timeout(deadline).ok()?;
        self.has_ended = true;
        Some(exit)
    }

    pub fn is_running(&mut self) -> bool {
        !self.has_ended && self.exit_within(Duration::ZERO).is_none()
    }

    /// Waits for the exit code, which must come well before the end of the grace period.
    #[track_caller]
    pub fn exits_promptly(&mut self) -> i32 {
        self.exit_within(PROMPT).expect("no prompt exit")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
            let _ = kill(Pid::from_raw(-self.pid), Signal::SIGKILL);
        }
    }
}

/// True if a process exists and has not ended (an unreaped zombie has).
pub fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

pub fn kill_now(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// A command under which our binary is PID 1; None if this machine does not permit it.
pub fn as_init(harness: &Harness, test: &str) -> Option<Command> {
    let permitted = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !permitted {
        skipped(test, "no new pid namespace can be created (unshare --pid needs root)");
        return None;
    }
    let mut command = harness.program("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    Some(command)
}
