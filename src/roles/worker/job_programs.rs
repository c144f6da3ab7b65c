//! The Python programs that change jobs through RQ's own code.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use secrecy::SecretSlice;
use serde_json::Value;
use tokio::sync::watch;

use crate::frappe::common_config::Overrides;
use crate::roles::RoleContext;
use crate::supervise::output::{LineHandler, Stream};
use crate::supervise::process::Processes;
use crate::supervise::spawn::{Output, Spec, Stdin};

/// Fails the job of an ended worker, or puts it back.
pub const FAIL_OR_REQUEUE: &str = concat!(
    include_str!("../../frappe/rq1_jobs.py"),
    include_str!("../../frappe/executions.py"),
    include_str!("../../frappe/recover_job.py")
);
/// Puts a stray back.
pub const PUT_BACK: &str = concat!(
    include_str!("../../frappe/rq1_jobs.py"),
    include_str!("../../frappe/executions.py"),
    include_str!("../../frappe/put_back.py")
);
/// Renews the leases of the job of an ended worker.
pub const RENEW_LEASES: &str = concat!(
    include_str!("../../frappe/rq1_jobs.py"),
    include_str!("../../frappe/executions.py"),
    include_str!("../../frappe/renew_leases.py")
);
const TIMEOUT: Duration = Duration::from_secs(20);

pub struct Programs {
    spec: Spec,
    overrides: watch::Receiver<Overrides>,
    processes: Processes,
}

impl Programs {
    pub fn new(context: &RoleContext<'_>) -> Self {
        let spec = Spec {
            env: context.environment("cauldron/settle").into_map(),
            cwd: Some(context.sites()),
            ..Spec::new("settle", context.pod.bench.python())
        };
        Self { spec, overrides: context.current.overrides(), processes: context.pod.processes.clone() }
    }

    /// Runs a program, and returns its last line on standard output, or the reason that it failed.
    pub async fn run(&self, program: &str, input: &Value) -> Result<String, String> {
        let last_lines: Arc<Mutex<[String; 2]>> = Arc::default();
        let shared_lines = last_lines.clone();
        let handler: LineHandler = Arc::new(move |line| {
            let mut lines = shared_lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines[usize::from(line.stream == Stream::Stderr)] =
                String::from_utf8_lossy(line.text).into_owned();
        });
        let mut spec = self.spec.clone();
        spec.args = vec!["-c".into(), program.into()];
        spec.env.extend(self.overrides.borrow().iter().map(|(name, value)| (name.into(), value.into())));
        spec.stdin = Stdin::Bytes(SecretSlice::from(input.to_string().into_bytes()));
        spec.output = Output::Lines(handler);
        let child = self.processes.spawn(&spec).map_err(|error| error.to_string())?;
        let exit = tokio::time::timeout(TIMEOUT, child.exited()).await;
        if exit.is_err() {
            child.stop(Signal::SIGKILL, Duration::ZERO, std::future::pending()).await;
        }
        child.drained(Duration::from_millis(100)).await;
        let [out, err] = last_lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match exit {
            Ok(exit) if exit.success() => Ok(out),
            Ok(exit) => Err(format!("python {exit}: {err}")),
            Err(_) => Err(format!("python did not finish within {} s", TIMEOUT.as_secs())),
        }
    }
}
