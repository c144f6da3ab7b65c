//! One step: a command of Frappe's, its output told line by line, ended when a stop is asked for or
//! the lock is lost.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};

use super::context::{Context, OverlayContext};
use super::lock::Leadership;
use super::progress;
use crate::frappe::command::{arguments_json, python_arguments};
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::failure_line::reason;
use crate::frappe::progress_line::ProgressLine;
use crate::outcome::{Fault, Flow, Stopped};
use crate::postgres::sql::sql_fault;
use crate::record::state;
use crate::status::handle::{STUCK_AFTER, StatusHandle};
use crate::status::operation::{Operation, StepName, StepProgress};
use crate::supervise::output::{LineHandler, OutputLine};
use crate::supervise::spawn::{Output, Spec, Stdin};
use crate::sys::exit::Exit;

/// Told of every line of a step's output, on the event loop.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// A command of Frappe's with its arguments, which never stand in an argv.
pub struct Step<'a> {
    pub name: StepName,
    pub arguments: Vec<&'a str>,
    /// Whether `--site` goes before the command; `new-site` names it behind.
    pub with_site: bool,
    pub attempt: &'a str,
    pub password_file: Option<&'a Path>,
    /// Texts that no line of output may repeat.
    pub secrets: Vec<&'a SecretString>,
    /// PGOPTIONS of its sessions.
    pub settings: Option<String>,
    pub observer: Option<Observer>,
    /// A stop that is asked for waits for its end so long.
    pub patience: Duration,
}

impl<'a> Step<'a> {
    /// One without arguments, that a stop ends at once.
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
            patience: Duration::ZERO,
        }
    }
}

/// From TERM to KILL: Frappe's commands have no handler and end at once.
const STEP_GRACE: Duration = Duration::from_secs(10);
/// Lines of the end of its output in which the reason of a failed step is looked for: a traceback with the variables
/// of each frame is long.
const LAST_LINES: usize = 400;

/// Runs a step to its end.
///
/// # Errors
/// 75 with the last lines where it did not exit 0; the stop that was asked for; the loss of the lock.
pub async fn run(context: &OverlayContext<'_>, leadership: &Leadership, step: &Step<'_>) -> Flow<()> {
    state::begin_step(leadership.client(), context.site, step.attempt)
        .await
        .map_err(sql_fault("cannot record the step"))?;
    let program = Program {
        secrets: step.secrets.iter().map(|secret| (*secret).clone()).collect(),
        observer: step.observer.clone(),
        patience: step.patience,
        ..Program::new(step.name.clone(), spec(context, step))
    };
    let watch =
        |group| progress::watch(leadership.client(), &context.pod.status, &step.name, step.attempt, group);
    run_program(context, leadership, program, watch).await
}

/// Any program that works for the bootstrap under the lock.
pub struct Program {
    pub name: StepName,
    /// Its output is told by us.
    pub spec: Spec,
    pub secrets: Vec<SecretString>,
    pub observer: Option<Observer>,
    pub patience: Duration,
}

impl Program {
    pub fn new(name: StepName, spec: Spec) -> Self {
        Self { name, spec, secrets: Vec::new(), observer: None, patience: Duration::ZERO }
    }
}

/// The same for it; `watch` is given its process group and goes on beside it.
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
    tracing::info!(step = name, "started");
    let last_lines = Arc::new(Mutex::new(VecDeque::new()));
    let spec = Spec { output: Output::Lines(handler(context, &program, last_lines.clone())), ..spec.clone() };
    let child = context.pod.processes.spawn(&spec).map_err(|error| error.fault())?;
    let exit = tokio::select! {
        exit = child.exited() => exit,
        signal = asked_in_vain(context, &program) => {
            child.stop(Signal::SIGTERM, STEP_GRACE, context.pod.shutdown.forced()).await;
            return Err(Stopped::Signal(signal));
        }
        never = watch(child.pid) => match never {},
        () = stuck(&context.pod.status) => {
            let at = context.pod.status.read().doing();
            tracing::error!(step = name, at, "no progress: it is ended");
            context.pod.status.progress();
            child.stop(Signal::SIGTERM, STEP_GRACE, context.pod.shutdown.forced()).await;
            let minutes = STUCK_AFTER.as_secs() / 60;
            let cause = format!("{name} made no progress for {minutes} min and was ended: {at}");
            return Err(Fault::try_again(cause, "its output is in the log above").into());
        }
        fault = leadership.lost() => {
            // Another pod may lead by now: not one more statement.
            child.stop(Signal::SIGKILL, Duration::ZERO, std::future::pending()).await;
            return Err(fault.into());
        }
    };
    // psql and its shell are of the step's group: nothing of it may go on.
    child.stop(Signal::SIGKILL, Duration::from_secs(1), std::future::pending()).await;
    child.drained(Duration::from_secs(1)).await;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if exit == Exit::Exited(0) {
        tracing::info!(step = name, elapsed_ms, "finished");
        return Ok(());
    }
    let lines = last_lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let words = reason(&lines.iter().cloned().collect::<Vec<String>>());
    tracing::error!(step = name, elapsed_ms, %exit, "failed");
    Err(Fault::try_again(format!("{name} {exit}: {words}"), "its output is in the log above").into())
}

/// Ends when nothing was a sign of progress for too long.
async fn stuck(status: &StatusHandle) {
    while let Some(left) = STUCK_AFTER.checked_sub(status.read().progress_at.elapsed()) {
        tokio::time::sleep(left.max(Duration::from_secs(1))).await;
    }
}

/// The stop that was asked for, when the step has had its time.
async fn asked_in_vain(context: &Context<'_>, step: &Program) -> Signal {
    let signal = context.pod.shutdown.stop_requested().await;
    if !step.patience.is_zero() {
        tracing::info!(
            step = step.name.to_string(),
            within_s = step.patience.as_secs(),
            "asked to stop; waiting for its end"
        );
        tokio::select! {
            () = tokio::time::sleep(step.patience) => {}
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
    environment.joining(&context.overlay.joined());
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

fn handler(context: &Context<'_>, step: &Program, last_lines: Arc<Mutex<VecDeque<String>>>) -> LineHandler {
    let status = context.pod.status.clone();
    let (name, observer) = (step.name.clone(), step.observer.clone());
    let (step, secrets) = (name.to_string(), step.secrets.clone());
    Arc::new(move |line: OutputLine<'_>| {
        status.progress();
        let text = redacted(&String::from_utf8_lossy(line.text), &secrets);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        if let Some(observer) = &observer {
            observer(text);
        }
        if line.redrawn {
            let progress = Some(StepProgress::Line(ProgressLine::parse(text)));
            status.begin(Operation::RunningStep { name: name.clone(), progress });
            return;
        }
        tracing::info!(step, "{text}");
        let mut lines = last_lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(text.to_string());
    })
}

/// Frappe prints what it was given when it fails: a traceback must not carry a password into a log.
fn redacted(text: &str, secrets: &[SecretString]) -> String {
    secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .filter(|secret| secret.len() >= 4)
        .fold(text.to_string(), |text, secret| text.replace(secret, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_makes_no_progress_ends_and_what_does_goes_on() {
        let soon = Duration::from_millis(50);
        let status = StatusHandle::new("bootstrap", None);
        assert!(tokio::time::timeout(soon, stuck(&status)).await.is_err(), "it has just begun");
        let long_ago = Instant::now().checked_sub(STUCK_AFTER + Duration::from_secs(1)).unwrap();
        status.update(|status| status.progress_at = long_ago);
        stuck(&status).await;
    }

    #[test]
    fn a_secret_in_the_output_is_not_repeated() {
        let secrets = ["canary#1".into(), "x".into()];
        assert_eq!(redacted("password canary#1 of x", &secrets), "password *** of x");
    }
}
