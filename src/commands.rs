//! From a command line to an exit code: configuration, then the command's own steps. One file a command;
//! [`entry`] says of each what it needs and what runs it.

mod apps_fetch;
mod apps_list;
mod apps_remove;
mod bootstrap;
mod configure;
mod exec;
mod maintenance;
mod migrate;
mod once;
mod probe;
mod renewal;
mod run;
mod serve;
mod site;
mod status;
mod taking;
mod wait_deps;

use std::pin::Pin;

use crate::apps::git::askpass;
use crate::bench::Bench;
use crate::cli::{Apps, Cli, Command, Format, describe};
use crate::config::source::{ProcessEnvironment, Reader};
use crate::config::{self, Config, Needs};
use crate::doctor::plan::plan;
use crate::doctor::{Asked, doctor};
use crate::frappe::supported;
use crate::outcome::{self, Fault, Flow, SIGNAL_BASE, Stopped};
use crate::roles::Role;
use crate::supervise::signals::Shutdown;
use crate::{sys, telemetry};

/// A command on its way to its exit code.
type Running<'a> = Pin<Box<dyn Future<Output = Flow<u8>> + 'a>>;

/// What a command needs, and what runs it then.
enum Entry {
    /// Neither configuration, signals nor a server: what it has to say is known. None is a failure.
    Says(Option<String>),
    /// An init: its own few settings, and no Frappe.
    Init(run::Program),
    /// A broken configuration is the first thing that it has to explain.
    Explains(Needs, for<'a> fn(&'a Asked<'a>, &'a Shutdown) -> Running<'a>),
    Configured {
        needs: Needs,
        supported_frappe: bool,
        start: Start,
    },
}

type Start = Box<dyn for<'a> FnOnce(Config, &'a Shutdown) -> Running<'a>>;

impl Entry {
    fn role(needs: Needs, roles: &'static [Role]) -> Self {
        Self::with_frappe(needs, |config, shutdown| Box::pin(serve::serve(roles, config, shutdown)))
    }

    /// It comes to nothing with a version of Frappe that is not supported.
    fn with_frappe(
        needs: Needs,
        start: impl for<'a> FnOnce(Config, &'a Shutdown) -> Running<'a> + 'static,
    ) -> Self {
        Self::Configured { needs, supported_frappe: true, start: Box::new(start) }
    }

    fn anyway(
        needs: Needs,
        start: impl for<'a> FnOnce(Config, &'a Shutdown) -> Running<'a> + 'static,
    ) -> Self {
        Self::Configured { needs, supported_frappe: false, start: Box::new(start) }
    }
}

/// The one place that knows every command.
fn entry(command: Command, format: Format) -> Entry {
    match command {
        Command::Web => Entry::role(Needs::SERVERS, &[Role::Web]),
        Command::Worker => Entry::role(Needs::SERVERS, &[Role::Worker]),
        Command::Scheduler => Entry::role(Needs::SERVERS, &[Role::Scheduler]),
        Command::Socketio => Entry::role(Needs::SERVERS, &[Role::Socketio]),
        Command::All => Entry::role(Needs { many_roles: true, ..Needs::SERVERS }, &Role::ALL),
        // An init container that waits is where an operator looks first.
        Command::WaitDeps => {
            Entry::with_frappe(Needs::NOTHING, move |c, s| Box::pin(wait_deps::wait_deps(c, format, s)))
        }
        Command::Configure => Entry::with_frappe(Needs::SITE, |c, s| Box::pin(configure::configure(c, s))),
        Command::Bootstrap => Entry::with_frappe(Needs::SERVERS, |c, s| Box::pin(bootstrap::bootstrap(c, s))),
        Command::Migrate { retry } => {
            Entry::with_frappe(Needs::SERVERS, move |c, s| Box::pin(migrate::migrate(c, retry, s)))
        }
        Command::Maintenance { action, force } => Entry::with_frappe(Needs::SERVERS, move |c, s| {
            Box::pin(maintenance::maintenance(c, action, force, format, s))
        }),
        Command::Apps { what: Apps::Fetch } => {
            Entry::with_frappe(Needs::BENCH, |c, s| Box::pin(apps_fetch::fetch(c, s)))
        }
        Command::Apps { what: Apps::List } => {
            Entry::anyway(Needs::BENCH, move |c, s| Box::pin(apps_list::list(c, format, s)))
        }
        Command::Apps { what: Apps::Remove { app } } => {
            Entry::with_frappe(Needs::SERVERS, |c, s| Box::pin(apps_remove::remove(c, app, s)))
        }
        // Whatever an operator wants to do in that container.
        Command::Exec { command } => Entry::anyway(Needs::SITE, |c, s| Box::pin(exec::exec(command, c, s))),
        Command::Status => Entry::anyway(Needs::NOTHING, move |c, s| Box::pin(status::status(c, format, s))),
        Command::Probe { what } => {
            Entry::anyway(Needs::NOTHING, move |c, s| Box::pin(probe::probe(c, what, s)))
        }
        Command::Doctor => Entry::Explains(Needs::SERVERS, |asked, s| Box::pin(doctor(asked, s))),
        Command::Plan => Entry::Explains(Needs::SERVERS, |asked, s| Box::pin(plan(asked, s))),
        Command::Run { restart, command } => Entry::Init(run::Program { command, restart }),
        Command::Completions { shell } => Entry::Says(Some(describe::completions(shell))),
        Command::Man => Entry::Says(Some(describe::manual())),
        Command::GitAskpass { program, prompt } => {
            Entry::Says(askpass::answer(&program, &prompt).map(|answer| answer + "\n"))
        }
    }
}

/// Runs one command to its end. What it had to say is out then, if anybody reads it.
pub async fn run(cli: Cli) -> u8 {
    let code = match run_command(cli).await {
        Ok(code) => code,
        Err(Stopped::Signal(signal)) => SIGNAL_BASE + signal as u8,
        Err(Stopped::Fault(fault)) => tell(&fault),
    };
    telemetry::flush();
    code
}

async fn run_command(cli: Cli) -> Flow<u8> {
    let Cli { command, embedded, print_config, format, settings } = cli;
    let mut reader = Reader::new(&settings, &ProcessEnvironment);
    match entry(command, format) {
        Entry::Says(None) => Ok(outcome::UNAVAILABLE),
        Entry::Says(Some(text)) => {
            telemetry::print(&text);
            Ok(outcome::DONE)
        }
        Entry::Init(program) => {
            let shutdown = begin(&mut reader)?;
            let loaded = config::run::load(&mut reader).filter(|_| reader.problems.is_empty());
            let Some(config) = loaded else { return Ok(refuse(&reader)) };
            if print_config {
                telemetry::print(&config::print(&reader));
                return Ok(outcome::DONE);
            }
            run::run(&program, &config, &shutdown).await
        }
        Entry::Explains(needs, explain) => {
            let shutdown = begin(&mut reader)?;
            if print_config {
                return Ok(print_configuration(&mut reader, needs, embedded));
            }
            explain(&Asked { settings: &settings, embedded, format }, &shutdown).await
        }
        Entry::Configured { needs, supported_frappe, start } => {
            let shutdown = begin(&mut reader)?;
            if print_config {
                return Ok(print_configuration(&mut reader, needs, embedded));
            }
            let loaded = config::load(&mut reader, needs, embedded).filter(|_| reader.problems.is_empty());
            let Some(config) = loaded else { return Ok(refuse(&reader)) };
            // What was read is in `config`; nobody else is to find it in /proc.
            sys::environment::scrub(config::variable::secret_names());
            sys::environment::forbid_dumps();
            if supported_frappe {
                supported::require(&Bench::new(&config.bench))?;
            }
            start(config, &shutdown).await
        }
    }
}

/// Signals are heard and events are logged from here on.
fn begin(reader: &mut Reader<'_>) -> outcome::Result<Shutdown> {
    let shutdown = Shutdown::install()
        .map_err(|error| Fault::new(outcome::BUG, format!("no signal handlers: {error}"), "report this"))?;
    sys::signals::unblock_all();
    let (format, level) = config::log::read(reader);
    telemetry::start(format, level);
    Ok(shutdown)
}

/// Every setting with its source, and what is wrong with them.
fn print_configuration(reader: &mut Reader<'_>, needs: Needs, embedded: bool) -> u8 {
    let is_complete = config::load(reader, needs, embedded).is_some();
    telemetry::print(&config::print(reader));
    if is_complete && reader.problems.is_empty() { outcome::DONE } else { refuse(reader) }
}

/// Every problem at once, and nothing was touched.
fn refuse(reader: &Reader<'_>) -> u8 {
    let problems: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
    for problem in &problems {
        telemetry::tell(&format!("error: {problem}"));
    }
    let hint = "each line says what to set; nothing was touched";
    telemetry::termination_log::write(&Fault::configuration(problems.join("\n"), hint));
    outcome::CONFIGURATION
}

/// Tells a fault once, on stderr, and where Kubernetes looks for the reason of an end.
fn tell(fault: &Fault) -> u8 {
    telemetry::termination_log::write(fault);
    let name = fault.refusal_name().map(|name| format!("\n  refusal: {name}")).unwrap_or_default();
    telemetry::tell(&format!("error: {}\n  hint: {}{name}", fault.cause, fault.hint));
    fault.code
}
