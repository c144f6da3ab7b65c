//! One program of the work on apps (git, pip, node): its output collected, its time bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::outcome::{Flow, Stopped};
use crate::pod::Pod;
use crate::supervise::output::{OutputLine, Stream};
use crate::supervise::process::Child;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::exit::Exit;

/// From TERM to KILL: none of them has anything to put in order.
const GRACE: Duration = Duration::from_secs(2);
/// A grandchild may hold the pipe (docs/hazards.md#held-output-pipe).
const DRAIN: Duration = Duration::from_secs(1);
/// A branch's answer is one line; what is longer is cut.
const STDOUT_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Of what it said last, for whoever has to explain its failure.
const LAST_LINES: usize = 200;

/// How it ended.
#[derive(Debug)]
pub struct Ran {
    /// None past its deadline.
    pub exit: Option<Exit>,
    pub stdout: String,
    /// The last lines of both streams, without empty ones.
    pub last_lines: Vec<String>,
}

impl Ran {
    pub fn success(&self) -> bool {
        self.exit == Some(Exit::Exited(0))
    }

    /// All that it said last, into the log: a failure is told with a few lines of it.
    pub fn tell(&self, app: &str, program: &str) {
        for line in &self.last_lines {
            tracing::info!(app, program, "{line}");
        }
    }
}

#[derive(Default)]
struct Said {
    stdout: String,
    last_lines: VecDeque<String>,
}

/// Runs it to its end, or to its deadline. A request to stop ends it at once.
///
/// # Errors
/// The signal that asked; what kept it from being started.
pub async fn run(pod: &Pod, spec: Spec, deadline: Duration) -> Flow<Ran> {
    let said = Arc::new(Mutex::new(Said::default()));
    let (status, listener) = (pod.status.clone(), said.clone());
    let handler = Arc::new(move |line: OutputLine<'_>| {
        status.progress();
        let text = String::from_utf8_lossy(line.text);
        let mut said = listener.lock().unwrap_or_else(PoisonError::into_inner);
        if line.stream == Stream::Stdout && said.stdout.len() + text.len() < STDOUT_MAX_BYTES {
            said.stdout.push_str(&text);
            said.stdout.push('\n');
        }
        if !line.redrawn && !text.trim().is_empty() {
            if said.last_lines.len() == LAST_LINES {
                said.last_lines.pop_front();
            }
            said.last_lines.push_back(text.trim_end().to_string());
        }
    });
    let spec = Spec { output: Output::Lines(handler), ..spec };
    pod.status.progress();
    let child = Ended(pod.processes.spawn(&spec).map_err(|error| error.fault())?);
    let exit = tokio::select! {
        exit = child.0.exited() => Some(exit),
        signal = pod.shutdown.stop_requested() => {
            child.0.stop(Signal::SIGTERM, GRACE, pod.shutdown.forced()).await;
            return Err(Stopped::Signal(signal));
        }
        () = tokio::time::sleep(deadline) => None,
    };
    // Its own children are of its group: nothing of it may go on beside the next try.
    child.0.stop(Signal::SIGTERM, GRACE, pod.shutdown.forced()).await;
    child.0.drained(DRAIN).await;
    let said = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Ran { exit, stdout: said.stdout, last_lines: said.last_lines.into() })
}

/// Nothing goes on when nobody waits for it any more (the lock was lost).
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.signal_group(Signal::SIGKILL);
    }
}
