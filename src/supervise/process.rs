//! The one owner of every pid: spawning, reaping and signalling happen under one lock, on one thread, with no
//! await in between (docs/hazards.md#two-owners-of-wait, docs/hazards.md#merged-signals,
//! docs/hazards.md#reused-pid).
//!
//! A child is registered before anything can reap it, and a signal goes only to a pid that is
//! registered and not yet reaped, so no number is ever used after the kernel may have reused it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tracing::debug;

use super::output::{self, Stream};
use super::reaper;
use super::spawn::{Output, SpawnError, Spec, Stdin};
use crate::sys::exec::{self, Step};
use crate::sys::exit::Exit;
use crate::sys::process as kernel;

/// A handle on the table of children; cheap to clone.
#[derive(Clone)]
pub struct Processes {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    table: Mutex<Table>,
    /// Counts the passes of the reaper that found something; whoever waits for a group to empty
    /// looks again then.
    pub(super) reaped: watch::Sender<u64>,
}

/// Every child that has not ended, and every group whose leader has ended before its members.
#[derive(Default)]
pub(super) struct Table {
    members: HashMap<i32, Member>,
    started: u64,
    /// Processes that others left behind and we took in.
    orphans: u64,
}

/// One child and its process group, which has the same number.
struct Member {
    /// A pid may come back; this number does not.
    serial: u64,
    name: String,
    /// It was given the terminal.
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
    /// Takes in orphans from now on, and starts the reaper.
    ///
    /// # Errors
    /// Where SIGCHLD cannot be handled.
    pub fn start() -> io::Result<Self> {
        kernel::adopt_orphans();
        let shared = Arc::new(Shared { table: Mutex::default(), reaped: watch::Sender::new(0) });
        let processes = Self { shared };
        reaper::start(processes.clone())?;
        Ok(processes)
    }

    /// Starts a program: fork, exec and registration with no await in between.
    ///
    /// # Errors
    /// The step that failed; nothing of the program ran then.
    pub fn spawn(&self, spec: &Spec) -> Result<Child, SpawnError> {
        let streams_failed =
            |error: io::Error| spec.error(Step::Streams, Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        let mut image = spec.image()?;
        let stdin = open_stdin(&spec.stdin).map_err(streams_failed)?;
        let (ours, theirs) = open_output(&spec.output).map_err(streams_failed)?;
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
        if let (Output::Lines(handler), Some([stdout, stderr])) = (&spec.output, ours) {
            for (stream, pipe) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
                let (open, handler) = (open.clone(), handler.clone());
                tokio::spawn(async move {
                    output::read_lines(stream, pid, pipe, handler).await;
                    drop(open);
                });
            }
        }
        if let (Stdin::Bytes(bytes), Some((_, Some(write_end)))) = (&spec.stdin, stdin) {
            feed(bytes.clone(), write_end);
        }
        Ok(Child { pid, serial, exit, output, processes: self.clone() })
    }

    /// Processes taken in and reaped that we did not start.
    pub fn orphans_reaped(&self) -> u64 {
        self.table().orphans
    }

    /// Processes that others left behind and that are our children now.
    pub fn adopted(&self) -> Vec<i32> {
        self.reap();
        let table = self.table();
        kernel::children().into_iter().filter(|pid| !table.members.contains_key(pid)).collect()
    }

    /// KILL to those of them that are still ours: nobody reaps between the look and the signal.
    pub fn kill_adopted(&self, pids: &[i32]) {
        let adopted = self.adopted();
        for pid in pids.iter().filter(|pid| adopted.contains(pid)) {
            kernel::signal(*pid, Signal::SIGKILL);
        }
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// News of the reaper, from now on.
    pub(super) fn reaped(&self) -> watch::Receiver<u64> {
        self.shared.reaped.subscribe()
    }

    pub(super) fn tell_reaped(&self) {
        self.shared.reaped.send_modify(|passes| *passes += 1);
    }
}

impl Table {
    /// Books what wait4 gave. The member stays while its group still has others.
    pub(super) fn book(&mut self, pid: i32, exit: Exit) {
        match self.members.get(&pid) {
            Some(member) if member.exit.borrow().is_none() => {
                debug!(child = member.name, pid, %exit, "reaped");
                member.exit.send_replace(Some(exit));
            }
            _ => {
                debug!(pid, %exit, "reaped an orphan");
                self.orphans += 1;
            }
        }
    }

    /// A child that has the terminal was stopped by it (^Z): whoever runs us is to see that too.
    pub(super) fn suspend_with(&self, pid: i32) {
        if self.members.get(&pid).is_some_and(|member| member.terminal) {
            crate::sys::terminal::suspend_with(pid);
        }
    }

    /// Forgets groups without a leader and without members: the number is free to be used again.
    pub(super) fn forget_empty_groups(&mut self) {
        self.members.retain(|pid, member| member.exit.borrow().is_none() || kernel::group_exists(*pid));
    }

    fn member(&self, pid: i32, serial: u64) -> Option<&Member> {
        self.members.get(&pid).filter(|member| member.serial == serial)
    }
}

impl Child {
    /// Ends when the child has ended. Cancel-safe, for any number of waiters.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            // The sender goes only after it has sent.
            _ => self.exit.borrow().unwrap_or(Exit::Signaled(nix::libc::SIGKILL)),
        }
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Signals the child alone; false once it has been reaped (docs/hazards.md#reused-pid).
    pub fn signal(&self, signal: Signal) -> bool {
        let table = self.processes.table();
        let member = table.member(self.pid, self.serial);
        member.is_some_and(|member| member.exit.borrow().is_none()) && kernel::signal(self.pid, signal)
    }

    /// Signals everyone in the child's group, also after the child itself has ended; false where
    /// nobody is left.
    pub fn signal_group(&self, signal: Signal) -> bool {
        let table = self.processes.table();
        table.member(self.pid, self.serial).is_some() && kernel::signal(-self.pid, signal)
    }

    /// Whether anybody is left in the child's group (`kill(-pgid, 0)` does not say ESRCH).
    pub fn group_exists(&self) -> bool {
        self.processes.reap();
        self.processes.table().member(self.pid, self.serial).is_some()
    }

    pub(super) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Waits for the end of the child's output, but not longer than this: a grandchild may hold the
    /// pipe (docs/hazards.md#held-output-pipe). What comes later is still read.
    pub async fn drained(&self, deadline: Duration) -> bool {
        let mut output = self.output.clone();
        tokio::time::timeout(deadline, async { while output.changed().await.is_ok() {} }).await.is_ok()
    }
}

/// What the child reads, and our end where there is something to write.
fn open_stdin(stdin: &Stdin) -> io::Result<Option<(OwnedFd, Option<OwnedFd>)>> {
    match stdin {
        Stdin::Inherit => Ok(None),
        Stdin::Null => Ok(Some((exec::null()?, None))),
        Stdin::Bytes(_) => exec::pipe().map(|(read_end, write_end)| Some((read_end, Some(write_end)))),
    }
}

type Pair = [OwnedFd; 2];

/// Our ends and theirs of stdout and stderr; none where they are inherited.
fn open_output(output: &Output) -> io::Result<(Option<Pair>, Option<Pair>)> {
    if matches!(output, Output::Inherit) {
        return Ok((None, None));
    }
    let ((our_out, their_out), (our_err, their_err)) = (exec::pipe()?, exec::pipe()?);
    Ok((Some([our_out, our_err]), Some([their_out, their_err])))
}

/// Writes the bytes as the child reads them, then closes. A child that ends early is not our
/// failure. The copy is wiped when the task drops it.
fn feed(bytes: secrecy::SecretSlice<u8>, write_end: OwnedFd) {
    tokio::spawn(async move {
        if let Ok(mut sender) = pipe::Sender::from_owned_fd(write_end) {
            let _ = sender.write_all(bytes.expose_secret()).await;
        }
    });
}
