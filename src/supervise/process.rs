//! The only owner of every pid: spawning, reaping and signalling happen under one lock, on one thread, without an
//! await in between (docs/hazards.md#two-owners-of-wait, docs/hazards.md#merged-signals,
//! docs/hazards.md#reused-pid).
//!
//! A child is registered before it can be reaped, and a signal goes only to a pid that is registered and not yet
//! reaped, so no pid is used after the kernel may have reused it.

mod streams;

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use tokio::sync::watch;
use tracing::debug;

use super::reaper;
use super::spawn::{Output, SpawnError, Spec, Stdin};
use crate::sys::exec::{self, Step};
use crate::sys::exit::Exit;
use crate::sys::process as kernel;

/// A handle to the table of children; cheap to clone.
#[derive(Clone)]
pub struct Processes {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    table: Mutex<Table>,
    /// Counts the passes of the reaper that found a child; each increment makes the tasks that wait for a group
    /// to empty check it again.
    pub(super) reaped: watch::Sender<u64>,
}

/// Every child that has not ended, and every process group whose leader ended before its members.
#[derive(Default)]
pub(super) struct Table {
    members: HashMap<i32, Member>,
    started: u64,
    /// The number of adopted orphans that were reaped.
    orphans: u64,
}

/// A child and its process group, which has the same number.
struct Member {
    /// Identifies the child: unlike a pid, it is never reused.
    serial: u64,
    name: String,
    /// True if the child was given the terminal.
    terminal: bool,
    exit: watch::Sender<Option<Exit>>,
}

/// A child. Dropping the handle neither ends it nor leaves it unreaped.
pub struct Child {
    pub pid: i32,
    serial: u64,
    exit: watch::Receiver<Option<Exit>>,
    /// Closed once both output streams have ended.
    output: watch::Receiver<()>,
    processes: Processes,
}

impl Processes {
    /// Adopts orphans from now on, and starts the reaper.
    ///
    /// # Errors
    /// If SIGCHLD cannot be handled.
    pub fn start() -> io::Result<Self> {
        kernel::adopt_orphans();
        let shared = Arc::new(Shared { table: Mutex::default(), reaped: watch::Sender::new(0) });
        let processes = Self { shared };
        reaper::start(processes.clone())?;
        Ok(processes)
    }

    /// Starts a program: fork, exec and registration without an await in between.
    ///
    /// # Errors
    /// The step that failed; none of the program's code ran.
    pub fn spawn(&self, spec: &Spec) -> Result<Child, SpawnError> {
        let streams_failed =
            |error: io::Error| spec.error(Step::Streams, Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        let mut image = spec.image()?;
        let stdin = streams::open_stdin(&spec.stdin).map_err(streams_failed)?;
        let (ours, theirs) = streams::open_output(&spec.output).map_err(streams_failed)?;
        image.streams[0] = stdin.as_ref().map(|(read_end, _)| read_end.as_fd());
        if let Some([stdout, stderr]) = &theirs {
            image.streams[1..].copy_from_slice(&[Some(stdout.as_fd()), Some(stderr.as_fd())]);
        }
        if image.foreground {
            crate::sys::terminal::hand_over();
        }
        let mut table = self.table();
        let pid = exec::spawn(&image).map_err(|(step, errno)| spec.error(step, errno))?;
        let (exit_tx, exit) = watch::channel(None);
        table.started += 1;
        let serial = table.started;
        table.members.insert(
            pid,
            Member { serial, name: spec.name.clone(), terminal: image.foreground, exit: exit_tx },
        );
        drop(table);
        let (open, output) = watch::channel(());
        if let Output::Lines(handler) | Output::Pipe(_, handler) = &spec.output {
            streams::read_output(pid, handler, ours, &open);
        }
        if spec.nice {
            crate::sys::priority::lower_group(pid);
        }
        if let (Stdin::Bytes(bytes), Some((_, Some(write_end)))) = (&spec.stdin, stdin) {
            streams::feed(bytes.clone(), write_end);
        }
        Ok(Child { pid, serial, exit, output, processes: self.clone() })
    }

    /// The number of reaped processes that we did not start.
    pub fn orphans_reaped(&self) -> u64 {
        self.table().orphans
    }

    /// The orphans that are our children now.
    pub fn adopted(&self) -> Vec<i32> {
        self.reap();
        let table = self.table();
        kernel::children().into_iter().filter(|pid| !table.members.contains_key(pid)).collect()
    }

    /// Kills those of `pids` that are still adopted children; nothing is reaped between the check and the signal.
    pub fn kill_adopted(&self, pids: &[i32]) {
        let adopted = self.adopted();
        for pid in pids.iter().filter(|pid| adopted.contains(pid)) {
            kernel::signal(*pid, Signal::SIGKILL);
        }
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies of the reaper's passes from now on.
    pub(super) fn reaped(&self) -> watch::Receiver<u64> {
        self.shared.reaped.subscribe()
    }

    pub(super) fn notify_reaped(&self) {
        self.shared.reaped.send_modify(|passes| *passes += 1);
    }
}

impl Table {
    /// Records an exit from wait4. The member stays in the table while its group has other processes.
    pub(super) fn record_exit(&mut self, pid: i32, exit: Exit) {
        match self.members.get(&pid) {
            Some(member) if member.exit.borrow().is_none() => {
                debug!(event = "process.reaped", child = member.name, pid, %exit, "reaped a child");
                member.exit.send_replace(Some(exit));
            }
            _ => {
                debug!(event = "process.orphan_reaped", pid, %exit, "reaped an orphan");
                self.orphans += 1;
            }
        }
    }

    /// Stops our own group, too, when the terminal stopped the child that has it (^Z), so that our parent sees it.
    pub(super) fn suspend_with(&self, pid: i32) {
        if self.members.get(&pid).is_some_and(|member| member.terminal) {
            crate::sys::terminal::suspend_with(pid);
        }
    }

    /// Removes groups whose leader has ended and that are empty: the kernel may reuse their numbers.
    pub(super) fn forget_empty_groups(&mut self) {
        self.members.retain(|pid, member| member.exit.borrow().is_none() || kernel::group_exists(*pid));
    }

    fn member(&self, pid: i32, serial: u64) -> Option<&Member> {
        self.members.get(&pid).filter(|member| member.serial == serial)
    }
}

impl Child {
    /// Completes when the child has ended. Cancel-safe, for any number of waiters.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            // The sender is dropped only after it has sent.
            _ => self.exit.borrow().unwrap_or(Exit::Signaled(nix::libc::SIGKILL)),
        }
    }

    /// The exit of the child, if it has ended.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Signals the child alone. Returns false once it has been reaped (docs/hazards.md#reused-pid).
    pub fn signal(&self, signal: Signal) -> bool {
        let table = self.processes.table();
        let member = table.member(self.pid, self.serial);
        member.is_some_and(|member| member.exit.borrow().is_none()) && kernel::signal(self.pid, signal)
    }

    /// Signals every process in the child's group, also after the child itself has ended. Returns false if the
    /// group is empty.
    pub fn signal_group(&self, signal: Signal) -> bool {
        let table = self.processes.table();
        table.member(self.pid, self.serial).is_some() && kernel::signal(-self.pid, signal)
    }

    /// True if the child's group has a process left (`kill(-pgid, 0)` does not fail with ESRCH).
    pub fn group_exists(&self) -> bool {
        self.processes.reap();
        self.processes.table().member(self.pid, self.serial).is_some()
    }

    pub(super) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Waits up to `timeout` for the end of the child's output: a grandchild may keep the pipe open
    /// (docs/hazards.md#held-output-pipe). Later output is still read.
    pub async fn drained(&self, timeout: Duration) -> bool {
        let mut output = self.output.clone();
        tokio::time::timeout(timeout, async { while output.changed().await.is_ok() {} }).await.is_ok()
    }
}
