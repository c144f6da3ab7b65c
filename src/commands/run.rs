//! `run -- CMD …`: runs any program under supervision, without Frappe. An init like tini: it forwards
//! signals, reaps orphans, returns the program's exit code and leaves no process behind.

use std::ffi::{OsStr, OsString};

use nix::sys::signal::Signal;
use tracing::{debug, warn};

use crate::config::frappe_environment;
use crate::config::run::RunConfig;
use crate::outcome::{self, Fault, Flow, SIGNAL_BASE};
use crate::roles::scheduler::fence;
use crate::supervise::process::Processes;
use crate::supervise::relay::relay;
use crate::supervise::run_service::{End, ServicePlan, run_service};
use crate::supervise::service::Policy;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Spec, Stdin};
use crate::telemetry::sink;

/// The program to run.
pub struct Program {
    /// The program and its arguments; never empty.
    pub command: Vec<OsString>,
    /// Restart it whenever it exits without a stop request.
    pub restart: bool,
}

/// Runs the program to its end and returns its exit code.
///
/// # Errors
/// 126 or 127 if the program cannot be started.
pub async fn run(program: &Program, config: &RunConfig, shutdown: &Shutdown) -> Flow<u8> {
    let processes = Processes::start().map_err(|error| {
        Fault::new(outcome::BUG, format!("no SIGCHLD handler: {error}"), "report this bug")
    })?;
    fence::keep_from_ticking(&program.command, &config.bench_root);
    let policy = if program.restart { Policy::restarting(config.grace) } else { Policy::once(config.grace) };
    let plan = ServicePlan {
        stop_with: None,
        forward: vec![Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH, Signal::SIGCONT],
        ..ServicePlan::new(spec(&program.command, config), policy)
    };
    let end = run_service(&processes, plan, shutdown).await;
    if !processes.sweep(config.grace, shutdown.forced()).await {
        warn!(event = "process.left_behind", "some processes did not end");
    }
    let (orphans, dropped_lines) = (processes.orphans_reaped(), sink::dropped());
    debug!(event = "process.all_exited", orphans, dropped_lines, "no process is left");
    match end {
        End::Ended(exit) | End::CrashLoop(exit) | End::StopRequested(_, Some(exit)) => Ok(exit.code()),
        End::StopRequested(signal, None) => Ok(SIGNAL_BASE + signal as u8),
        End::NotStarted(error) => Err(error.fault().into()),
        End::Failed(fault) => Err(fault.into()),
    }
}

/// True for a variable that Kubernetes sets for a Service and that Frappe would read as a setting: no operator
/// set it.
fn is_service_link(name: &OsStr, value: &OsStr) -> bool {
    frappe_environment::names().any(|known| name == known)
        && value.to_str().is_some_and(frappe_environment::is_service_link)
}

/// The program with everything an init passes on: environment, terminal and stdin.
fn spec(command: &[OsString], config: &RunConfig) -> Spec {
    let name = std::path::Path::new(&command[0]).file_name().unwrap_or(&command[0]);
    let mut spec = Spec::new(name.to_string_lossy(), &command[0]);
    spec.args = command[1..].to_vec();
    spec.env = std::env::vars_os().filter(|(name, value)| !is_service_link(name, value)).collect();
    spec.stdin = Stdin::Inherit;
    spec.terminal = true;
    spec.output = relay(config.child_logs, &spec.name);
    spec
}
