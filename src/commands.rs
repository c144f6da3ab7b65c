//! From a command line to an exit code: load the configuration, then run the command. Each command has a file;
//! [`entry`] maps each to what it needs and the function that runs it.

mod apps_fetch;
mod apps_list;
mod apps_remove;
mod assets_compress;
mod backup;
mod bootstrap;
mod completions;
mod configure;
mod doctor;
mod exec;
mod git_askpass;
mod maintenance;
mod man;
mod migrate;
mod once;
mod plan;
mod probe;
mod renewal;
mod restore;
mod run;
mod serve;
mod site;
mod status;
mod support_bundle;
mod taking;
mod verify;
mod wait_deps;

use std::pin::Pin;

use crate::bench::Bench;
use crate::cli::{Apps, Assets, Cli, Command, Format};
use crate::config::source::ProcessEnvironment;
use crate::config::{self, Config, Needs, Reader};
use crate::doctor::Request;
use crate::frappe::supported;
use crate::outcome::{self, Fault, Flow, SIGNAL_BASE, Stopped};
use crate::roles::Role;
use crate::supervise::signals::Shutdown;
use crate::{scratch, sys, telemetry};

/// A running command; its output is the exit code.
type Running<'a> = Pin<Box<dyn Future<Output = Flow<u8>> + 'a>>;

/// The needs of a command, and the function that runs it.
enum Entry {
    /// Needs no configuration, signal handlers or servers; returns the exit code at once.
    Immediate(Box<dyn FnOnce() -> u8>),
    /// An init: needs only the settings of `run`, and no Frappe.
    Init(run::Program),
    /// Loads the configuration itself, because it reports a broken one as a finding.
    Diagnosis(Diagnose),
    Configured {
        needs: Needs,
        supported_frappe: bool,
        start: Start,
    },
}

type Diagnose = Box<dyn for<'a> FnOnce(&'a Request<'a>, &'a Shutdown) -> Running<'a>>;
type Start = Box<dyn for<'a> FnOnce(Config, &'a Shutdown) -> Running<'a>>;

impl Entry {
    fn role(needs: Needs, roles: &'static [Role]) -> Self {
        Self::with_supported_frappe(needs, |config, shutdown| Box::pin(serve::serve(roles, config, shutdown)))
    }

    /// A command that is refused if the bench's version of Frappe is not supported.
    fn with_supported_frappe(
        needs: Needs,
        start: impl for<'a> FnOnce(Config, &'a Shutdown) -> Running<'a> + 'static,
    ) -> Self {
        Self::Configured { needs, supported_frappe: true, start: Box::new(start) }
    }

    /// A command that runs with any version of Frappe.
    fn with_any_frappe(
        needs: Needs,
        start: impl for<'a> FnOnce(Config, &'a Shutdown) -> Running<'a> + 'static,
    ) -> Self {
        Self::Configured { needs, supported_frappe: false, start: Box::new(start) }
    }
}

/// The entry of each command; nothing else lists them all.
fn entry(command: Command, format: Format) -> Entry {
    match command {
        Command::Web => Entry::role(Needs::SERVERS, &[Role::Web]),
        Command::Worker => Entry::role(Needs::SERVERS, &[Role::Worker]),
        Command::Scheduler => Entry::role(Needs::SERVERS, &[Role::Scheduler]),
        Command::Socketio => Entry::role(Needs { socketio: true, ..Needs::SERVERS }, &[Role::Socketio]),
        Command::All => Entry::role(Needs { many_roles: true, socketio: true, ..Needs::SERVERS }, &Role::ALL),
        // Checks Frappe's version as well: an operator looks at a failing init container first.
        Command::WaitDeps => Entry::with_supported_frappe(Needs::NOTHING, move |c, s| {
            Box::pin(wait_deps::wait_deps(c, format, s))
        }),
        Command::Configure => {
            Entry::with_supported_frappe(Needs::SITE, |c, s| Box::pin(configure::configure(c, s)))
        }
        Command::Bootstrap => {
            Entry::with_supported_frappe(Needs::SERVERS, |c, s| Box::pin(bootstrap::bootstrap(c, s)))
        }
        Command::Migrate { retry } => {
            Entry::with_supported_frappe(Needs::SERVERS, move |c, s| Box::pin(migrate::migrate(c, retry, s)))
        }
        Command::Maintenance { action, force } => {
            Entry::with_supported_frappe(Needs::SERVERS, move |c, s| {
                Box::pin(maintenance::maintenance(c, action, force, format, s))
            })
        }
        Command::Restore(arguments) => {
            Entry::with_supported_frappe(Needs { backup: true, ..Needs::SERVERS }, |c, s| {
                Box::pin(restore::restore(c, arguments, s))
            })
        }
        Command::Apps { what: Apps::Fetch } => {
            Entry::with_supported_frappe(Needs::BENCH, |c, s| Box::pin(apps_fetch::fetch(c, s)))
        }
        Command::Assets { what: Assets::Compress } => {
            Entry::with_any_frappe(Needs::BENCH, |c, s| Box::pin(assets_compress::compress(c, s)))
        }
        Command::Apps { what: Apps::List } => {
            Entry::with_any_frappe(Needs::BENCH, move |c, s| Box::pin(apps_list::list(c, format, s)))
        }
        Command::Apps { what: Apps::Remove { app } } => {
            Entry::with_supported_frappe(Needs::SERVERS, |c, s| Box::pin(apps_remove::remove(c, app, s)))
        }
        // A backup of a site whose code is broken is the most wanted one.
        Command::Backup(backup) => {
            Entry::with_any_frappe(Needs::BACKUP, move |c, s| Box::pin(backup::backup(c, backup, format, s)))
        }
        // An operator may run any program in the container.
        Command::Exec { command } => {
            Entry::with_any_frappe(Needs::SITE, |c, s| Box::pin(exec::exec(command, c, s)))
        }
        Command::Verify { without_live_events } => Entry::with_any_frappe(Needs::SERVERS, move |c, s| {
            Box::pin(verify::verify(c, !without_live_events, s))
        }),
        Command::Status => {
            Entry::with_any_frappe(Needs::NOTHING, move |c, s| Box::pin(status::status(c, format, s)))
        }
        Command::Probe { what } => {
            Entry::with_any_frappe(Needs::NOTHING, move |c, s| Box::pin(probe::probe(c, what, s)))
        }
        Command::Doctor => Entry::Diagnosis(Box::new(|request, s| Box::pin(doctor::doctor(request, s)))),
        Command::Plan => Entry::Diagnosis(Box::new(|request, s| Box::pin(plan::plan(request, s)))),
        Command::SupportBundle { output } => Entry::Diagnosis(Box::new(|request, s| {
            Box::pin(support_bundle::support_bundle(output, request, s))
        })),
        Command::Run { restart, command } => Entry::Init(run::Program { command, restart }),
        Command::Completions { shell } => Entry::Immediate(Box::new(move || completions::completions(shell))),
        Command::Man => Entry::Immediate(Box::new(man::man)),
        Command::Isolate { arguments } => Entry::Immediate(Box::new(move || scratch::isolate(&arguments))),
        Command::GitAskpass { program, prompt } => {
            Entry::Immediate(Box::new(move || git_askpass::git_askpass(&program, &prompt)))
        }
    }
}

/// Runs one command and returns its exit code. Its output is written by then, unless its reader stalls.
pub async fn run(cli: Cli) -> u8 {
    let code = match run_command(cli).await {
        Ok(code) => code,
        Err(Stopped::Signal(signal)) => SIGNAL_BASE + signal as u8,
        Err(Stopped::Fault(fault)) => report(&fault),
    };
    telemetry::flush();
    code
}

async fn run_command(cli: Cli) -> Flow<u8> {
    let Cli { command, embedded, print_config, format, settings, ignored_options } = cli;
    let mut reader = Reader::new(&settings, &ProcessEnvironment);
    match entry(command, format) {
        Entry::Immediate(answer) => Ok(answer()),
        Entry::Init(program) => {
            let shutdown = start_signals_and_log(&mut reader)?;
            let loaded = config::run::load(&mut reader).filter(|_| reader.problems.is_empty());
            let Some(config) = loaded else { return Ok(report_problems(&reader)) };
            if print_config {
                telemetry::print(&config::render(&reader));
                return Ok(outcome::DONE);
            }
            run::run(&program, &config, &shutdown).await
        }
        Entry::Diagnosis(diagnose) => {
            let shutdown = start_signals_and_log(&mut reader)?;
            if print_config {
                return Ok(print_configuration(&mut reader, Needs::SERVERS, embedded));
            }
            diagnose(&Request { settings: &settings, embedded, format }, &shutdown).await
        }
        Entry::Configured { needs, supported_frappe, start } => {
            let shutdown = start_signals_and_log(&mut reader)?;
            if print_config {
                return Ok(print_configuration(&mut reader, needs, embedded));
            }
            let loaded = config::load(&mut reader, needs, embedded).filter(|_| reader.problems.is_empty());
            let Some(config) = loaded else { return Ok(report_problems(&reader)) };
            if needs.servers {
                let frappe_major = Bench::new(&config.bench).frappe_major();
                config::unused::log(&reader, frappe_major, &ignored_options);
            }
            // The secrets are in `config` now; remove them from /proc/<pid>/environ.
            sys::environment::scrub(config::variable::secret_names());
            if config.backup.to.is_some() {
                sys::environment::scrub(config::backup::names_of_credentials());
            }
            sys::environment::forbid_dumps();
            if supported_frappe {
                let bench = Bench::new(&config.bench);
                supported::require(&bench)?;
                if needs.servers {
                    supported::warn_if_untested(&bench);
                }
            }
            start(config, &shutdown).await
        }
    }
}

/// Installs the signal handlers and starts the log.
fn start_signals_and_log(reader: &mut Reader<'_>) -> outcome::Result<Shutdown> {
    let shutdown = Shutdown::install().map_err(|error| {
        Fault::new(outcome::BUG, format!("cannot install the signal handlers: {error}"), "report this bug")
    })?;
    sys::signals::unblock_all();
    let (format, level) = config::log::read(reader);
    telemetry::start(format, level);
    Ok(shutdown)
}

/// Prints every setting with its source, then the problems found in them.
fn print_configuration(reader: &mut Reader<'_>, needs: Needs, embedded: bool) -> u8 {
    let is_complete = config::load(reader, needs, embedded).is_some();
    telemetry::print(&config::render(reader));
    if is_complete && reader.problems.is_empty() { outcome::DONE } else { report_problems(reader) }
}

/// Reports every problem of the configuration at once. Nothing was changed yet.
fn report_problems(reader: &Reader<'_>) -> u8 {
    let problems: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
    for problem in &problems {
        telemetry::print_error(&format!("error: {problem}"));
    }
    let hint = "change each setting as its line says; nothing was changed";
    telemetry::termination_log::write(&Fault::configuration(problems.join("\n"), hint));
    outcome::CONFIGURATION
}

/// Reports a fault once on stderr, and in the termination message that Kubernetes shows.
fn report(fault: &Fault) -> u8 {
    telemetry::termination_log::write(fault);
    let name = fault.refusal_name().map(|name| format!("\n  refusal: {name}")).unwrap_or_default();
    telemetry::print_error(&format!("error: {}\n  hint: {}{name}", fault.cause, fault.hint));
    fault.code
}
