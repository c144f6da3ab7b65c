//! The events that measured children report, with their times.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tempfile::TempDir;

use super::child::{Order, Then};
use super::lab::DEADLINE;

/// A fifo for the events of one init at a time.
pub struct Events {
    folder: TempDir,
    fifo: File,
    unread: Vec<u8>,
}

/// The name of the event, as the child wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub what: String,
    pub pid: i32,
    pub at_ns: u64,
}

impl Events {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("events-").tempdir().expect("a folder for a fifo");
        let path = folder.path().join("fifo");
        mkfifo(&path, Mode::S_IRWXU).expect("a fifo");
        // Also opened for writing: opening does not block, and no end of file occurs between two children.
        let fifo = File::options().read(true).write(true).open(&path).expect("the fifo");
        Self { folder, fifo, unread: Vec::new() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("fifo")
    }

    /// The arguments that make a child report to this fifo.
    pub fn order(&self, then: Then) -> Order {
        Order::new(&self.path(), then)
    }

    /// Returns the next event, which must have this name.
    #[track_caller]
    pub fn expect(&mut self, what: &str) -> Event {
        let event = self.next();
        assert_eq!(event.what, what, "{event:?}");
        event
    }

    /// Makes a child crash; returns the times of its death and of the next child's start.
    #[track_caller]
    pub fn crash(&mut self, pid: i32) -> (u64, Event) {
        kill(Pid::from_raw(pid), Signal::SIGUSR1).expect("a child to crash");
        let died = self.expect("dying");
        (died.at_ns, self.expect("up"))
    }

    #[track_caller]
    fn next(&mut self) -> Event {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(length) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=length).collect();
                return Event::parse(&String::from_utf8_lossy(&line)).expect("a line of a child");
            }
            self.read_before(end);
        }
    }

    #[track_caller]
    fn read_before(&mut self, end: Instant) {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut ready = [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
        let count = poll(&mut ready, PollTimeout::try_from(left).expect("a timeout")).expect("poll");
        assert!(count == 1, "no child reported an event within {DEADLINE:?}");
        let mut chunk = [0; 4096];
        let length = self.fifo.read(&mut chunk).expect("an event");
        self.unread.extend_from_slice(&chunk[..length]);
    }
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (what, pid, at_ns) = (words.next()?, words.next()?, words.next()?);
        Some(Self { what: what.to_owned(), pid: pid.parse().ok()?, at_ns: at_ns.parse().ok()? })
    }
}
