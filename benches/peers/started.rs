//! A measured process, with the times of its start and its end. Dropping it ends all its processes.

use std::fs;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::clock::{ms_between, now_ns};
use super::lab::DEADLINE;
use super::support::wait::within;

pub struct Started {
    child: Child,
    /// The time just before the system call that creates the process.
    pub at_ns: u64,
    /// Reports the end at once; polling every few milliseconds would distort the figures.
    ended: OwnedFd,
}

impl Started {
    pub fn new(command: &mut Command) -> Self {
        let at_ns = now_ns();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // SAFETY: our own unreaped child; the kernel gives a new descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
        assert!(fd >= 0, "pidfd_open (Linux 5.3): {}", std::io::Error::last_os_error());
        // SAFETY: open, and owned by nothing else.
        let ended = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Self { child, at_ns, ended }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a state").is_none()
    }

    /// Sends TERM and returns the milliseconds until the end; None if it takes longer than `cap`.
    pub fn term_to_exit_ms(&mut self, cap: Duration) -> Option<f64> {
        let asked_ns = now_ns();
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).expect("a process to stop");
        self.ended_within(cap).map(|(ended_ns, _)| ms_between(asked_ns, ended_ns))
    }

    /// Waits until the process ends, and returns the time.
    #[track_caller]
    pub fn end_ns(&mut self) -> u64 {
        self.end_ns_within(DEADLINE)
    }

    /// Like [`Started::end_ns`], for processes that take longer than any measurement.
    #[track_caller]
    pub fn end_ns_within(&mut self, deadline: Duration) -> u64 {
        let Some((ended_ns, status)) = self.ended_within(deadline) else {
            panic!("pid {} has not ended within {deadline:?}", self.pid())
        };
        assert!(status.success(), "{status}; its output is in target/bench.log");
        ended_ns
    }

    fn ended_within(&mut self, deadline: Duration) -> Option<(u64, ExitStatus)> {
        let mut ready = [PollFd::new(self.ended.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(deadline).expect("a timeout");
        let count = poll(&mut ready, timeout).expect("poll");
        let now = now_ns();
        (count == 1).then(|| (now, self.child.wait().expect("an ended process")))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.is_running() {
            return;
        }
        // Stopped first, which takes a moment, so that it starts no further child while its children are counted.
        let leader = self.pid();
        let _ = kill(Pid::from_raw(leader), Signal::SIGSTOP);
        within(DEADLINE, || matches!(state(leader), None | Some('T' | 'Z')).then_some(()));
        let left = descendants(leader);
        for pid in &left {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // They are not our children, and they keep the port until they have ended.
        let gone = |pid: &i32| match state(*pid) {
            // The first thread of a process may have ended while others still hold its descriptors.
            Some('Z') => fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) <= 1,
            state => state.is_none(),
        };
        if within(DEADLINE, || left.iter().all(gone).then_some(())).is_none() {
            eprintln!("still running after SIGKILL: some of {left:?}");
        }
    }
}

/// Returns the state as in proc(5): T is stopped, Z has ended. None if the process does not exist.
fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain any character, including brackets.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Returns all descendants. The recursion ends, because no process is its own ancestor.
pub fn descendants(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    children.flat_map(|child| std::iter::once(child).chain(descendants(child)).collect::<Vec<_>>()).collect()
}
