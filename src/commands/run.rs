//! `run -- CMD …`: any program under supervision, no Frappe. An init as good as tini: signals are
//! passed on, orphans reaped, the program's own exit code returned, and nothing left behind.

use std::ffi::{OsStr, OsString};

use nix::sys::signal::Signal;
use tracing::{debug, warn};

use crate::config::frappe_environment;
use crate::config::run::RunConfig;
use crate::outcome::{self, Fault, Flow, SIGNAL_BASE};
use crate::supervise::process::Processes;
use crate::supervise::relay::relay;
use crate::supervise::run_service::{End, ServicePlan, run_service};
use crate::supervise::service::Policy;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Spec, Stdin};
use crate::telemetry::sink;

/// What is to run.
pub struct Program {
    /// The program and its arguments; never empty.
    pub command: Vec<OsString>,
    /// It is started again when it ends unasked.
    pub restart: bool,
}

/// Runs the program to its end and returns its exit code.
///
/// # Errors
/// Where it cannot be started (126, 127).
pub async fn run(program: &Program, config: &RunConfig, shutdown: &Shutdown) -> Flow<u8> {
    let processes = Processes::start()
        .map_err(|error| Fault::new(outcome::BUG, format!("no SIGCHLD handler: {error}"), "report this"))?;
    let policy = if program.restart { Policy::restarting(config.grace) } else { Policy::once(config.grace) };
    let plan = ServicePlan {
        stop_with: None,
        forward: vec![Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH, Signal::SIGCONT],
        ..ServicePlan::new(spec(&program.command, config), policy)
    };
    let end = run_service(&processes, plan, shutdown).await;
    if !processes.sweep(config.grace, shutdown.forced()).await {
        warn!("processes are left behind");
    }
    debug!(orphans = processes.orphans_reaped(), dropped_lines = sink::dropped(), "nobody is left");
    match end {
        End::Ended(exit) | End::CrashLoop(exit) | End::Asked(_, Some(exit)) => Ok(exit.code()),
        End::Asked(signal, None) => Ok(SIGNAL_BASE + signal as u8),
        End::NotStarted(error) => Err(error.fault().into()),
    }
}

/// Kubernetes' links to Services whose names give a variable that Frappe reads: nobody set them.
fn is_service_link(name: &OsStr, value: &OsStr) -> bool {
    frappe_environment::names().any(|known| name == known)
        && value.to_str().is_some_and(frappe_environment::is_service_link)
}

/// Everything that an init passes on: the environment, the terminal, stdin.
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
