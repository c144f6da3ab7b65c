//! Runs one program for the work on apps (git, pip, node), with collected output and a timeout.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::outcome::{Flow, Stopped};
use crate::pod::Pod;
use crate::supervise::output::{OutputLine, Stream};
use crate::supervise::process::Child;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::exit::Exit;

/// The time from TERM to KILL. These programs have nothing to clean up.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// A grandchild may keep the pipe open (docs/hazards.md#held-output-pipe).
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The limit of collected standard output; longer output is cut.
const MAX_STDOUT_BYTES: usize = 4 * 1024 * 1024;
/// The number of last lines that are kept to explain a failure.
const MAX_LAST_LINES: usize = 200;

/// How often a run is reported. pip, yarn and vite can be silent for minutes.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// The result of a run.
#[derive(Debug)]
pub struct RunResult {
    /// None if the timeout ended it.
    pub exit: Option<Exit>,
    pub stdout: String,
    /// The last lines of both streams, without empty ones.
    pub last_lines: Vec<String>,
}

impl RunResult {
    pub fn success(&self) -> bool {
        self.exit == Some(Exit::Exited(0))
    }

    /// Logs all kept lines; the fault itself contains only a few of them.
    pub fn log_output(&self, app: &str, program: &str) {
        for line in &self.last_lines {
            tracing::info!(event = "app.program_output", app, program, "{line}");
        }
    }
}

#[derive(Default)]
struct Captured {
    stdout: String,
    last_lines: VecDeque<String>,
}

/// Runs a program to its end or to the timeout. A stop request ends it at once. While it runs, it is reported every 30 s:
/// without its output, which may contain a token.
///
/// # Errors
/// The stop signal; the reason why it cannot be started.
pub async fn run(pod: &Pod, spec: Spec, deadline: Duration) -> Flow<RunResult> {
    let captured = Arc::new(Mutex::new(Captured::default()));
    let (status, listener) = (pod.status.clone(), captured.clone());
    let handler = Arc::new(move |line: OutputLine<'_>| {
        status.progress();
        let text = String::from_utf8_lossy(line.text);
        let mut captured = listener.lock().unwrap_or_else(PoisonError::into_inner);
        if line.stream == Stream::Stdout && captured.stdout.len() + text.len() < MAX_STDOUT_BYTES {
            captured.stdout.push_str(&text);
            captured.stdout.push('\n');
        }
        if !line.redrawn && !text.trim().is_empty() {
            if captured.last_lines.len() == MAX_LAST_LINES {
                captured.last_lines.pop_front();
            }
            captured.last_lines.push_back(text.trim_end().to_string());
        }
    });
    let spec = Spec { output: Output::Lines(handler), ..spec };
    pod.status.progress();
    let child = KillOnDrop(pod.processes.spawn(&spec).map_err(|error| error.fault())?);
    let exit = tokio::select! {
        exit = child.0.exited() => Some(exit),
        signal = pod.shutdown.stop_requested() => {
            child.0.stop(Signal::SIGTERM, STOP_GRACE, pod.shutdown.forced()).await;
            return Err(Stopped::Signal(signal));
        }
        () = tokio::time::sleep(deadline) => None,
        never = report(&spec.name) => match never {},
    };
    // Children of the program are in its group, and must not run concurrently with the next attempt.
    child.0.stop(Signal::SIGTERM, STOP_GRACE, pod.shutdown.forced()).await;
    child.0.drained(DRAIN_TIMEOUT).await;
    let captured = std::mem::take(&mut *captured.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(RunResult { exit, stdout: captured.stdout, last_lines: captured.last_lines.into() })
}

async fn report(program: &str) -> Infallible {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(REPORT_INTERVAL).await;
        let elapsed_s = begun.elapsed().as_secs();
        tracing::info!(event = "app.program_running", program, elapsed_s, "the program still runs");
    }
}

/// Kills the program's group if the waiting future is dropped (the lock was lost).
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.signal_group(Signal::SIGKILL);
    }
}
