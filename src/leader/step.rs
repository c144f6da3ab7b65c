//! A step: one Frappe command, whose output is logged line by line. It is ended when a stop is requested or the lock is
//! lost.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use secrecy::SecretString;

use super::context::{Context, OverlayContext};
use super::lock::Leadership;
use super::progress;
use super::step_output::StepOutput;
use crate::frappe::command::{arguments_json, python_arguments};
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::progress_line::ProgressLine;
use crate::outcome::{Fault, Flow, Stopped};
use crate::postgres::sql::sql_fault;
use crate::record::{durations, state};
use crate::status::handle::{STUCK_AFTER, StatusHandle};
use crate::status::operation::{Operation, StepName, StepProgress};
use crate::supervise::output::{LineHandler, OutputLine};
use crate::supervise::spawn::{Output, Spec, Stdin};
use crate::sys::exit::Exit;

/// Called on the event loop with every line of a step's output.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// A Frappe command with its arguments, which never appear in an argv.
pub struct Step<'a> {
    pub name: StepName,
    pub arguments: Vec<&'a str>,
    /// Puts `--site` before the command; `new-site` takes the site's name as an argument instead.
    pub with_site: bool,
    pub attempt: &'a str,
    pub password_file: Option<&'a Path>,
    /// Texts that are redacted in the output.
    pub secrets: Vec<&'a SecretString>,
    /// PGOPTIONS for the step's sessions.
    pub settings: Option<String>,
    pub observer: Option<Observer>,
    /// The time that a requested stop waits for the step's end.
    pub stop_grace: Duration,
}

impl<'a> Step<'a> {
    /// A step without arguments that a stop ends at once.
    pub fn new(name: StepName, attempt: &'a str) -> Self {
        Self {
            name,
            arguments: Vec::new(),
            with_site: false,
            attempt,
            password_file: None,
            secrets: Vec::new(),
            settings: None,
            observer: None,
            stop_grace: Duration::ZERO,
        }
    }
}

/// The time from TERM to KILL. Frappe's commands have no signal handler and end at once.
const STEP_GRACE: Duration = Duration::from_secs(10);

/// Runs a step to its end.
///
/// # Errors
/// 75 with the reason from the output if it did not exit 0; the requested stop; the loss of the lock.
pub async fn run(context: &OverlayContext<'_>, leadership: &Leadership, step: &Step<'_>) -> Flow<()> {
    state::begin_step(leadership.client(), context.site, step.attempt)
        .await
        .map_err(sql_fault("cannot record the step"))?;
    let program = Program {
        secrets: step.secrets.iter().map(|secret| (*secret).clone()).collect(),
        observer: step.observer.clone(),
        stop_grace: step.stop_grace,
        ..Program::new(step.name.clone(), spec(context, step))
    };
    let watch =
        |group| progress::watch(leadership.client(), &context.pod.status, &step.name, step.attempt, group);
    run_program(context, leadership, program, watch).await
}

/// A program that works for the bootstrap under the lock.
pub struct Program {
    pub name: StepName,
    /// Its output is logged by us.
    pub spec: Spec,
    pub secrets: Vec<SecretString>,
    pub observer: Option<Observer>,
    pub stop_grace: Duration,
}

impl Program {
    pub fn new(name: StepName, spec: Spec) -> Self {
        Self { name, spec, secrets: Vec::new(), observer: None, stop_grace: Duration::ZERO }
    }
}

/// Runs a program to its end; `watch` gets its process group and runs beside it.
pub async fn run_program<W: Future<Output = Infallible>>(
    context: &Context<'_>,
    leadership: &Leadership,
    program: Program,
    watch: impl FnOnce(i32) -> W,
) -> Flow<()> {
    let started = Instant::now();
    let Program { name, spec, .. } = &program;
    context.pod.status.begin(Operation::RunningStep { name: name.clone(), progress: None });
    context.pod.status.progress();
    let name = &name.to_string();
    tracing::info!(event = "step.started", step = name, "step started");
    let output = StepOutput::new(name, &program.secrets);
    let spec = Spec { output: Output::Lines(handler(context, &program, output.clone())), ..spec.clone() };
    let child = context.pod.processes.spawn(&spec).map_err(|error| error.fault())?;
    let exit = tokio::select! {
        exit = child.exited() => exit,
        signal = stop_after_grace(context, &program) => {
            child.stop(Signal::SIGTERM, STEP_GRACE, context.pod.shutdown.forced()).await;
            return Err(Stopped::Signal(signal));
        }
        never = watch(child.pid) => match never {},
        () = stuck(&context.pod.status) => {
            let at = context.pod.status.read().doing();
            tracing::error!(event = "step.stuck", step = name, at, "the step made no progress for too long: ending it");
            context.pod.status.progress();
            child.stop(Signal::SIGTERM, STEP_GRACE, context.pod.shutdown.forced()).await;
            let minutes = STUCK_AFTER.as_secs() / 60;
            let cause = format!("{name} made no progress for {minutes} min and was ended: {at}");
            return Err(Fault::try_again(cause, "read its output in the log above").into());
        }
        fault = leadership.lost() => {
            // Another pod may have the lock by now: the step must not run one more statement.
            child.stop(Signal::SIGKILL, Duration::ZERO, std::future::pending()).await;
            return Err(fault.into());
        }
    };
    // psql and its shell are in the step's process group: none of them may continue.
    child.stop(Signal::SIGKILL, Duration::from_secs(1), std::future::pending()).await;
    child.drained(Duration::from_secs(1)).await;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let reason = output.end();
    if exit == Exit::Exited(0) {
        durations::record(&context.pod.bench, context.site, name, Duration::from_millis(elapsed_ms));
        tracing::info!(event = "step.finished", step = name, elapsed_ms, "step finished");
        return Ok(());
    }
    tracing::error!(event = "step.failed", step = name, elapsed_ms, %exit, "step failed");
    Err(Fault::try_again(format!("{name} {exit}: {reason}"), "read its output in the log above").into())
}

/// Completes when there was no sign of progress for too long.
async fn stuck(status: &StatusHandle) {
    while let Some(left) = STUCK_AFTER.checked_sub(status.read().progress_at.elapsed()) {
        tokio::time::sleep(left.max(Duration::from_secs(1))).await;
    }
}

/// Completes with the signal of a requested stop, when the step's grace period is over.
async fn stop_after_grace(context: &Context<'_>, step: &Program) -> Signal {
    let signal = context.pod.shutdown.stop_requested().await;
    if !step.stop_grace.is_zero() {
        tracing::info!(
            event = "step.stop_pending",
            step = step.name.to_string(),
            within_s = step.stop_grace.as_secs(),
            "stop requested; waiting for the step to end"
        );
        tokio::select! {
            () = tokio::time::sleep(step.stop_grace) => {}
            () = context.pod.shutdown.forced() => {}
        }
    }
    signal
}

fn spec(context: &OverlayContext<'_>, step: &Step<'_>) -> Spec {
    let config = &context.pod.config;
    let mut environment = ChildEnvironment::inherited().for_frappe(context.database, &config.redis);
    environment.set("PGAPPNAME", format!("cauldron/{}", step.attempt));
    for (name, value) in context.overrides {
        environment.set(name, value);
    }
    if let Some((host, port)) = &context.database.direct {
        environment.set("FRAPPE_DB_HOST", host).set("FRAPPE_DB_PORT", port.to_string());
    }
    environment.use_overlay(&context.overlay.paths());
    if let Some(settings) = &step.settings {
        environment.set("PGOPTIONS", settings);
    }
    if let Some(path) = step.password_file {
        environment.set("PGPASSFILE", path);
    }
    let site = step.with_site.then_some(context.site);
    Spec {
        args: python_arguments(state::FENCE).into(),
        env: environment.into_map(),
        cwd: Some(context.overlay.sites()),
        stdin: Stdin::Bytes(arguments_json(site, &step.arguments).into()),
        ..Spec::new(step.name.to_string(), context.pod.bench.python())
    }
}

fn handler(context: &Context<'_>, step: &Program, output: StepOutput) -> LineHandler {
    let status = context.pod.status.clone();
    let (name, observer) = (step.name.clone(), step.observer.clone());
    Arc::new(move |line: OutputLine<'_>| {
        status.progress();
        let text = output.redacted(line.text);
        if text.is_empty() {
            return;
        }
        if let Some(observer) = &observer {
            observer(&text);
        }
        if line.redrawn {
            let progress = Some(StepProgress::Line(ProgressLine::parse(&text)));
            status.begin(Operation::RunningStep { name: name.clone(), progress });
        } else {
            output.push(line.stream, &text);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::handle::RoleName;

    #[tokio::test]
    async fn only_a_step_without_progress_is_ended() {
        let soon = Duration::from_millis(50);
        let status = StatusHandle::new(RoleName::Bootstrap, None);
        assert!(tokio::time::timeout(soon, stuck(&status)).await.is_err(), "it has just started");
        let long_ago = Instant::now().checked_sub(STUCK_AFTER + Duration::from_secs(1)).unwrap();
        status.update(|status| status.progress_at = long_ago);
        stuck(&status).await;
    }
}
